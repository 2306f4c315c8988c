"""MLflow's JSON shapes, quickly: msgspec decodes a body into structs that were made from the model's signature.

Only what fits at once is read here. For everything else `read` returns None, and `frames` looks closer.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

import msgspec

from detent.serving.rows.validate import KINDS, MAX_ROWS, Row, RowReader

_astuple = msgspec.structs.astuple
_FAILED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Found(msgspec.Struct, gc=False):
    """A request that fits."""

    rows: list[Row]
    params: dict[str, Any] | None


class FrameReader:
    """Reads requests of one signature. Safe for several threads."""

    def __init__(self, reader: RowReader) -> None:
        fields = reader.signature.inputs
        kinds: list[Any] = [KINDS[field.kind] | None if field.nullable else KINDS[field.kind] for field in fields]
        limits = msgspec.Meta(min_length=1, max_length=MAX_ROWS)
        aliases = [f"f{number}" for number in range(len(fields))]
        columns: Any = msgspec.defstruct(
            "Columns",
            [(alias, Annotated[list[kind], limits]) for alias, kind in zip(aliases, kinds, strict=True)],
            rename=dict(zip(aliases, reader.names, strict=True)),
            forbid_unknown_fields=True,
        )
        values: Any = tuple[tuple(kinds)]
        split: Any = msgspec.defstruct("Split", [("columns", list[str]), ("data", Annotated[list[values], limits])])
        rows: Any = Annotated[list[reader.row_type], limits]
        body = msgspec.defstruct(
            "FrameBody",
            [
                ("dataframe_split", split | None, None),
                ("dataframe_records", rows | None, None),
                ("instances", rows | None, None),
                ("inputs", columns | None, None),
                ("params", dict[str, Any] | None, None),
            ],
            forbid_unknown_fields=True,
        )
        self._decoder = msgspec.json.Decoder(body)
        self._names = list(reader.names)

    def read(self, body: bytes) -> Found | None:
        """Return the rows of a JSON request."""
        try:
            decoded: Any = self._decoder.decode(body)
        except _FAILED:
            return None
        split, records, instances, columns, params = _astuple(decoded)
        if (split is None) + (records is None) + (instances is None) + (columns is None) != 3:
            return None
        listed = records or instances
        if listed is not None:
            return Found(list(map(_astuple, listed)), params)
        if split is not None:
            return Found(split.data, params) if split.columns == self._names else None
        values = _astuple(columns)
        if len(set(map(len, values))) != 1:
            return None
        return Found(list(zip(*values, strict=True)), params)


@lru_cache(maxsize=64)
def frame_reader(reader: RowReader) -> FrameReader:
    """Return the reader of frames that belongs to a reader of rows."""
    return FrameReader(reader)
