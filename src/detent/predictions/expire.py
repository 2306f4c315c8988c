"""Old predictions go, by whole days."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from detent.predictions import places
from detent.store.segments import TORN


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What a rule says must go."""

    days: tuple[date, ...]  # whole folders of Parquet files
    torn: tuple[Path, ...]  # bytes that no reader understood, kept for inspection, not touched for as long
    bytes: int


def expired(state: Path, now: datetime, *, keep: timedelta, needed: timedelta) -> Expired:
    """Return what is older than `keep`, leaving out every day with a row that may be `needed` still.

    Args:
        state: the project's state folder.
        now: the present moment; a clock that is wrong by years makes everything old.
        keep: a day goes when its last moment is longer ago than this.
        needed: a row may wait for its label, and its window for its judgement, this long.
    """
    edge = now - max(keep, needed)
    folder = places.parquet(state)
    days = [day for day in places.days(folder, date.min) if _end(day) <= edge]
    files = [path for day in days for path in places.day_folder(folder, day).iterdir()]
    torn = [
        path
        for path in sorted(places.segments(state).glob(f"*{TORN}"))
        if datetime.fromtimestamp(path.stat().st_mtime, UTC) <= edge
    ]
    return Expired(
        days=tuple(days), torn=tuple(torn), bytes=sum(path.stat().st_size for path in (*files, *torn) if path.exists())
    )


def remove(state: Path, found: Expired) -> None:
    """Remove what `expired` found. A day is first renamed, so that no reader ever sees a part of it."""
    folder = places.parquet(state)
    for left in folder.glob(f"{places.GOING}*"):  # of a call that was killed
        shutil.rmtree(left)
    for day in found.days:
        going = folder / f"{places.GOING}{day.isoformat()}"
        places.day_folder(folder, day).rename(going)
        shutil.rmtree(going)
    for path in found.torn:
        path.unlink(missing_ok=True)


def _end(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC) + timedelta(days=1)
