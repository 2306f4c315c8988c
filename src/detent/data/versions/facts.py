"""Rows and columns of a version whose files are all parts of one table; O(changed) when the version before is known."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from detent.data.versions.diff import diff
from detent.data.versions.entries import CSV, PARQUET, File, Folder
from detent.data.versions.tree import listing
from detent.data.versions.version import Schema
from detent.store.blobs import Blobs

SAMPLE_ROWS = 10_000  # of a CSV file: they tell its columns' types
MOST_FILES = 20_000  # that are opened to count rows; a larger table's rows stay unknown


def schema_of(
    root: Folder | File, blobs: Blobs, *, before: tuple[Folder | File, Schema | None] | None = None
) -> Schema | None:
    """Return rows and columns, or None when the files are no single table: other files, other columns, damaged ones.

    With `before`, the version before and its schema, only files that changed are opened.
    """
    if before is not None and before[1] is not None:
        found = _moved_on(root, blobs, before[0], before[1])
        if found is not None:
            return found
    files: list[File] = []
    for _, entry in listing(root, blobs):
        if isinstance(entry, Folder):
            continue
        if not is_table(entry) or len(files) == MOST_FILES:
            return None
        files.append(entry)  # pyright: ignore[reportArgumentType]  (a table is a file)
    return _together(files, blobs)


def is_table(entry: object) -> bool:
    """True for a file whose name says that it is Parquet or CSV."""
    return isinstance(entry, File) and entry.media in (PARQUET, CSV)


def scan(file: File, blobs: Blobs) -> pl.LazyFrame:
    """Return a table file as a lazy frame over its checked bytes."""
    path = blobs.path(file.digest)
    if file.media == PARQUET:
        return pl.scan_parquet(path, glob=False)
    return pl.scan_csv(path, try_parse_dates=True, infer_schema_length=SAMPLE_ROWS, glob=False)


def _moved_on(root: Folder | File, blobs: Blobs, old: Folder | File, schema: Schema) -> Schema | None:
    """Return the old schema with the rows of changed files taken away and added; None when it is not that simple."""
    changes = diff(old, root, blobs)
    come = [change.new for change in (*changes.added, *changes.changed)]
    gone = [change.old for change in (*changes.removed, *changes.changed)]
    files = 1 if isinstance(root, File) else root.files
    if len(come) >= files or len(come) > MOST_FILES or not all(is_table(file) for file in (*come, *gone)):
        return None
    if not all(is_table(change.new) for change in changes.renamed):
        return None
    rows = schema.rows
    for sign, side in ((-1, gone), (1, come)):
        for file in side:
            found = _one(file, blobs)  # pyright: ignore[reportArgumentType]
            if found is None or found.columns != schema.columns:
                return None
            rows += sign * found.rows
    return Schema(rows=rows, columns=schema.columns)


def _together(files: Iterable[File], blobs: Blobs) -> Schema | None:
    rows, columns = 0, None
    for file in files:
        found = _one(file, blobs)
        if found is None or columns not in (None, found.columns):
            return None
        rows, columns = rows + found.rows, found.columns
    return None if columns is None else Schema(rows=rows, columns=columns)


def _one(file: File, blobs: Blobs) -> Schema | None:
    """Return one file's rows and columns; None when it is not what its name says."""
    try:
        if file.media == PARQUET:
            with blobs.open(file.digest) as stream, pq.ParquetFile(stream) as table:  # reads the footer only
                empty = pl.from_arrow(table.schema_arrow.empty_table())
                assert isinstance(empty, pl.DataFrame)
                return Schema(rows=table.metadata.num_rows, columns=_columns(empty.schema))
        frame = scan(file, blobs)
        return Schema(
            rows=frame.select(pl.len()).collect(engine="streaming").item(), columns=_columns(frame.collect_schema())
        )
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, UnicodeDecodeError):
        return None


def _columns(schema: pl.Schema) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(kind)) for name, kind in schema.items())
