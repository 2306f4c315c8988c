"""pyarrow tables as Parquet."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from detent.errors import DataError
from detent.pipeline.artifacts import ARROW, Artifact
from detent.pipeline.codecs.misfit import unreadable
from detent.pipeline.codecs.spool import put_written
from detent.store.blobs import Blobs

_ROW_GROUP = 65_536
_SCHEMA = b"detent.schema"  # the table's own schema: Parquet has no seconds, and calls the items of lists `element`


def dump(value: pa.Table, blobs: Blobs) -> Artifact:
    """Store a table. Tables that differ in chunks only, or in the order of dictionaries, give equal bytes.

    Raises:
        DataError: Parquet has no form for a column, or it would come back changed.
    """
    try:
        if any(pa.types.is_dictionary(kind) and kind.ordered for kind in value.schema.types):
            raise pa.ArrowInvalid("the order of an ordered dictionary would be lost")
        check_table(value)
        digest = put_written(blobs, lambda file: write_table(value, file), size=value.nbytes)
    except pa.ArrowException as error:
        raise DataError(
            what="a pyarrow.Table can't be stored as Parquet",
            why=str(error)[:300],
            fix="turn such columns into numbers, texts, times, lists or structs",
        ) from error
    return Artifact(digest=digest, kind=ARROW)


def load(artifact: Artifact, blobs: Blobs) -> pa.Table:
    """Return the table."""
    try:
        return read_table(blobs.path(artifact.digest))
    except (pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise unreadable(artifact, error) from error


def check_table(table: pa.Table) -> None:
    """Refuse a table that would not come back: the schema is tried without rows, and nested columns with theirs.

    Raises:
        pa.ArrowException: it would not; plain columns of a schema that comes back do so as well.
    """
    bare = table.slice(0, 0)
    if not read_table(_written(bare)).schema.equals(_sorted(table.schema), check_metadata=True):
        raise pa.ArrowInvalid("its schema would come back changed")
    nested = table.select([at for at, field in enumerate(table.schema) if pa.types.is_nested(field.type)])
    if nested.num_columns:
        written = _written(nested)
        if _written(read_table(written)).getvalue() != written.getvalue():
            raise pa.ArrowInvalid("a nested column would come back changed")


def write_table(table: pa.Table, file: BinaryIO) -> None:
    """Write a table as Parquet, in row groups that are put together one by one, whatever its chunks."""
    own = _sorted(table.schema)
    kept = {_SCHEMA: base64.b64encode(own.serialize().to_pybytes())}
    schema = pa.schema([_plain(field) for field in own]).with_metadata({**(own.metadata or {}), **kept})
    writer = pq.ParquetWriter(
        file, schema, compression="zstd", compression_level=1, version="2.6", data_page_version="1.0",
        use_dictionary=True, write_statistics=True, store_schema=True,
    )  # fmt: skip
    with writer:
        for start in range(0, max(table.num_rows, 1), _ROW_GROUP):
            part = table.slice(start, _ROW_GROUP)
            columns = [_as(column, field.type) for column, field in zip(part.columns, schema, strict=True)]
            whole = pa.Table.from_arrays(columns, schema=schema).combine_chunks()
            writer.write_table(whole, row_group_size=_ROW_GROUP)


def read_table(source: Path | BinaryIO) -> pa.Table:
    """Return a table with the schema that it had; one that somebody else wrote is returned as Parquet gives it.

    Raises:
        pa.ArrowException, ValueError: it is no Parquet.
    """
    with pq.ParquetFile(source) as file:  # not read_table: it takes `name=value` in a path for a column
        table = file.read()
    kept = (table.schema.metadata or {}).get(_SCHEMA)
    if kept is None:
        return table
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(kept)))
    columns = [_restored(column, field.type) for column, field in zip(table.columns, schema, strict=True)]
    return pa.Table.from_arrays(columns, schema=schema)


def as_read(table: pa.Table) -> pa.Table:
    """Return a table that `check_table` lets pass as it comes back, without the way through Parquet."""
    fields = zip(table.columns, table.schema, strict=True)
    columns = [_restored(_as(column, _plain(field).type), field.type) for column, field in fields]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _written(table: pa.Table) -> io.BytesIO:
    buffer = io.BytesIO()
    write_table(table, buffer)
    return buffer


def _sorted(schema: pa.Schema) -> pa.Schema:
    """Return the schema with its metadata by name: their order is no part of the value."""
    fields = [field.with_metadata(_by_name(field.metadata)) for field in schema]
    return pa.schema(fields, metadata=_by_name(schema.metadata))


def _by_name(metadata: dict[bytes, bytes] | None) -> dict[bytes, bytes] | None:
    return dict(sorted(metadata.items())) if metadata else None


def _plain(field: pa.Field) -> pa.Field:
    """Return the field without a dictionary: Parquet makes its own, by what the column holds."""
    return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field


def _as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    # A cast to the same type is no empty act: it breaks sliced structs.
    return column if column.type.equals(kind) else column.cast(kind)


def _restored(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if not pa.types.is_dictionary(kind):
        return _as(column, kind)
    chunks = [
        pa.DictionaryArray.from_arrays(chunk.indices.cast(kind.index_type), chunk.dictionary, ordered=kind.ordered)
        for chunk in column.dictionary_encode().chunks
    ]
    return pa.chunked_array(chunks, type=kind)
