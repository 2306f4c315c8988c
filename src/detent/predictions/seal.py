"""Finished segments of the log -> Parquet files by day."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from detent.errors import Place, StoreError
from detent.predictions.frames import KEY, to_frame
from detent.predictions.places import part
from detent.store.atomic import write_atomic
from detent.store.segments import read_frames

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What a call moved."""

    segments: int
    rows: int


def seal(segments: Path, parquet: Path, *, include_open: bool = False) -> Sealed:
    """Write each finished segment as Parquet under `date=YYYY-MM-DD/<segment>.parquet` and remove it.

    A crash at any moment loses nothing and doubles nothing: the files of a segment have the segment's name, doing it
    again adds only rows that are not there yet, and a segment is removed only after all its rows are in Parquet. One
    that ends in bytes that are no frame (a worker was killed while it wrote, or the disk is failing) is kept under the
    suffix `.torn`. `include_open` also writes what live segments hold by now; these stay as they are.

    Raises:
        StoreError: the disk is full; the segment stays.
    """
    count = rows = 0
    names = ("*.sealed", "*.open") if include_open else ("*.sealed",)
    for path in sorted(found for name in names for found in segments.glob(name)):
        try:
            frames = list(read_frames(path))
            torn = path.suffix == ".sealed" and path.stat().st_size > (frames[-1][1] if frames else 0)
        except FileNotFoundError:
            continue  # a live segment was finished meanwhile: the next call takes it
        frame = to_frame(payload for payload, _ in frames)
        _write(frame, path, parquet)
        if torn:
            LOG.warning("action=keep segment=%s reason='it ends in bytes that are no frame'", path)
            path.rename(path.with_suffix(".torn"))
        elif path.suffix == ".sealed":
            path.unlink(missing_ok=True)
        count += 1
        rows += frame.height
    return Sealed(segments=count, rows=rows)


def _write(frame: pl.DataFrame, segment: Path, parquet: Path) -> None:
    days = frame.with_columns(pl.col("time").dt.date().alias("_day")).partition_by("_day", as_dict=True)
    for (day,), rows in sorted(days.items()):
        target = part(parquet, _as_date(day), segment.stem)
        rows = rows.drop("_day")
        if target.exists():
            # The rows of a live segment that was written early, of a call that crashed, or of an earlier segment of
            # that name. Joining them is right in each case; replacing them would be wrong in the last.
            before = pl.read_parquet(target, hive_partitioning=False)
            rows = pl.concat([before, rows], how="diagonal").unique(KEY, maintain_order=True)
        buffer = io.BytesIO()
        rows.write_parquet(buffer, compression="zstd")
        try:
            write_atomic(target, buffer.getvalue())
        except StoreError as error:
            raise StoreError(
                what="predictions can't be moved to Parquet",
                why=error.why,
                fix="free some disk space; the rows are safe in the log's segment",
                where=Place(file=str(target)),
            ) from error


def _as_date(day: object) -> date:
    assert isinstance(day, date)
    return day
