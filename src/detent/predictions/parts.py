"""Small Parquet files that were read a moment ago: opening one costs more than all that is done with its rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from detent.predictions.frames import SCHEMA

SMALL = 256 << 10  # bytes of a file: larger ones are scanned, which leaves out what nobody asked for
MOST = 16 << 20  # bytes of rows in memory
_Look = tuple[int, int, int]  # inode, size, time of the last change: another file at the same path has another one


class Parts:
    """Rows of small files, the latest ones that were asked for; at most `MOST` bytes of them."""

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[_Look, pl.DataFrame, int]] = {}
        self._bytes = 0

    def frame(self, path: Path) -> pl.DataFrame | None:
        """Return all rows of a file with all columns of the log; None for a file that is not small.

        Raises:
            FileNotFoundError: it has been removed.
        """
        found = os.stat(path)  # noqa: PTH116  (Path.stat is slower, and every file of every window is asked)
        if found.st_size > SMALL:
            return None
        look = (found.st_ino, found.st_size, found.st_mtime_ns)
        kept = self._kept.pop(path, None)
        if kept is not None and kept[0] == look:
            self._kept[path] = kept  # the latest comes last
            return kept[1]
        rows = scan([path]).collect()
        self._keep(path, look, rows, 0 if kept is None else kept[2])
        return rows

    def _keep(self, path: Path, look: _Look, rows: pl.DataFrame, before: int) -> None:
        size = int(rows.estimated_size())
        self._kept[path] = look, rows, size
        self._bytes += size - before
        while self._bytes > MOST:
            oldest = next(iter(self._kept))
            self._bytes -= self._kept.pop(oldest)[2]


def scan(paths: Sequence[Path]) -> pl.LazyFrame:
    """Return the rows of Parquet files with all columns of the log; older files lack the newer ones."""
    return pl.scan_parquet(
        list(paths),
        schema=SCHEMA,
        missing_columns="insert",
        extra_columns="ignore",
        hive_partitioning=False,
        glob=False,
    )
