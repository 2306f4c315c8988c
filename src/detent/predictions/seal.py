"""Finished segments of the log -> Parquet files by day."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from detent.errors import Place, StoreError
from detent.predictions.frames import KEY, to_frame
from detent.predictions.places import LANDED, outgoing, part
from detent.store.atomic import unique_name, write_atomic
from detent.store.lock import awaited_lock
from detent.store.segments import OPEN, SEALED, adopt, keep_torn, read_segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What a call moved."""

    segments: int
    rows: int


def seal(segments: Path, parquet: Path) -> Sealed:
    """Write each finished segment as Parquet under `date=YYYY-MM-DD/<segment>.parquet` and remove it.

    A live segment whose worker was killed is finished first. A crash at any moment loses nothing and doubles nothing:
    the files of a segment have the segment's name, doing it again adds only rows that are not there yet, and a segment
    is removed only after all its rows are in Parquet; where the log is sent to other hosts, it waits beside it until
    that was done. Of two processes that call it at once, one waits. Bytes that are no frame (a worker was killed while
    it wrote, or the disk is failing) are kept beside it under the suffix `.torn`.

    Raises:
        StoreError: the disk is full; the segment stays.
    """
    if not segments.is_dir():
        return Sealed(segments=0, rows=0)
    count = rows = 0
    with awaited_lock(segments.with_name("moving.lock")):
        for path in sorted(segments.glob(f"*{OPEN}")):
            adopt(path)
        for path in sorted(segments.glob(f"*{SEALED}")):
            keep_torn(path)
            frame = to_frame(read_segment(path))
            _write(frame, path, parquet)
            _let_go(path)
            count += 1
            rows += frame.height
    return Sealed(segments=count, rows=rows)


def _let_go(segment: Path) -> None:
    """Remove a segment whose rows are in Parquet; where its rows are sent to other hosts, leave it to who sends."""
    waiting = outgoing(segment.parent)
    if segment.name.startswith(LANDED) or not waiting.is_dir():
        segment.unlink()
        return
    target = waiting / segment.name
    if target.exists():  # the numbering was lost with a power cut
        target = waiting / f"{segment.stem}{unique_name()}{SEALED}"
    segment.rename(target)


def _write(frame: pl.DataFrame, segment: Path, parquet: Path) -> None:
    days = frame.with_columns(pl.col("time").dt.date().alias("_day")).partition_by("_day", as_dict=True)
    for (day,), rows in sorted(days.items()):
        target = part(parquet, _as_date(day), segment.stem)
        rows = rows.drop("_day")
        if target.exists():
            # The rows of a call that crashed, or of an earlier segment of that name (the numbering is lost with a power
            # cut). Joining them is right in each case; replacing them would be wrong in the last.
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
