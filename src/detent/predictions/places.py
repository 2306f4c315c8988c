"""Where predictions lie inside a project's state folder, and how a segment and its Parquet files are named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

GOING = "going="  # a day's folder while it is removed
LANDED = "host"  # what files begin with that hold rows of another host, before its number
_DAY = "date="


def segments(state: Path) -> Path:
    """Return the folder in which serving processes write the log."""
    return state / "predictions" / "segments"


def outgoing(segments: Path) -> Path:
    """Return the folder for finished segments that are in Parquet and not yet sent to other hosts, if they are sent."""
    return segments.with_name("outgoing")


def landed(number: int) -> str:
    """Return the owner of segments with rows of another host."""
    return f"{LANDED}{number}"


def parquet(state: Path) -> Path:
    """Return the folder with one folder of Parquet files per day."""
    return state / "predictions" / "parquet"


def part(folder: Path, day: date, segment: str) -> Path:
    """Return the file with the rows of one day out of one segment."""
    return day_folder(folder, day) / f"{segment}.parquet"


def day_folder(folder: Path, day: date) -> Path:
    """Return the folder with the rows of one day."""
    return folder / f"{_DAY}{day.isoformat()}"


def parts(folder: Path, first: date | None, last: date | None) -> Iterator[Path]:
    """Yield the Parquet files of the days from `first` to `last`, both included, in order; None: no bound."""
    for day in _days(folder, first, last):
        with suppress(FileNotFoundError):  # nothing was asked on that day
            yield from sorted(path for path in day_folder(folder, day).iterdir() if path.suffix == ".parquet")


def days(folder: Path, since: date) -> list[date]:
    """Return the days from `since` on that have rows, in order."""
    return [day for day in _days(folder, since, None) if any(day_folder(folder, day).iterdir())]


def _days(folder: Path, first: date | None, last: date | None) -> Iterator[date]:
    if first is not None and last is not None and (last - first).days < 1000:
        # A short window looks at its own folders only, however many days there are.
        yield from (first + timedelta(days=number) for number in range((last - first).days + 1))
        return
    if not folder.is_dir():
        return
    found = sorted(date.fromisoformat(path.name.removeprefix(_DAY)) for path in folder.glob(f"{_DAY}*"))
    yield from (day for day in found if (first is None or day >= first) and (last is None or day <= last))
