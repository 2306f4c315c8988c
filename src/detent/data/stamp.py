"""A cheap look at a source: has it changed since? Standard library only, and nothing is read.

Equal stamps mean that nothing changed; unequal ones only that somebody has to look.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from detent.data.sources import open_source
from detent.data.sources.origin import origin_of
from detent.records.project import Source
from detent.store.clock import iso, parse

FILE, YOUNG, ABSENT, ETAG, TTL, PROBE, ALWAYS = "file", "young", "absent", "etag", "ttl", "probe", "always"
# A file that changed so lately may change again without its times showing it: file systems count in ticks.
_YOUNG_NS = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a source says of itself, without its contents."""

    kind: str  # "file", "young" (changed just now), "absent", "etag", "ttl", "probe", "always" (nothing is declared)
    value: tuple[str | int, ...]
    until: str = ""  # "ttl": ISO time up to which it is not asked again


def source_stamp(source: Source, folder: Path, *, now: datetime, known: Stamp | None = None) -> Stamp:
    """Look at a source the way its `changes` says; `known` is its stamp as of the last ingestion.

    A file of the project: device, inode, size and times. `etag`: a question to the server. `ttl`: `known` while it
    holds. `probe`: the function or SELECT is asked.

    Raises:
        DataError: the source can't be asked (`UnreachableError`), is missing, or says nothing of itself.
    """
    if not is_outside(source):
        return file_stamp(folder / source.source)
    if source.changes is None:
        return Stamp(kind=ALWAYS, value=(time.time_ns(),))
    if source.changes.kind == TTL:
        holds = known is not None and _holds(known, origin_of(source), now)
        return known if holds and known is not None else Stamp(kind=TTL, value=("due", iso(now)))
    return outside_stamp(source, version=open_source(source, folder).version(), asked=now)


def is_outside(source: Source) -> bool:
    """True for a URL or an SQL query: nobody can look at it as at a file."""
    return source.sql is not None or "://" in source.source


def file_stamp(path: Path) -> Stamp:
    """Return device, inode, size, modification and change time of a file; a file changed just now equals nothing."""
    try:
        found = path.stat()
    except OSError:
        return Stamp(kind=ABSENT, value=())
    value = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    present = time.time_ns()
    if abs(present - max(found.st_mtime_ns, found.st_ctime_ns)) < _YOUNG_NS:
        return Stamp(kind=YOUNG, value=(*value, present))
    return Stamp(kind=FILE, value=value)


def outside_stamp(source: Source, *, version: str, asked: datetime) -> Stamp:
    """Return the stamp of a source outside from what it said when it was asked."""
    changes, origin = source.changes, origin_of(source)
    if changes is None:
        return Stamp(kind=ALWAYS, value=(time.time_ns(),))
    if changes.kind == TTL:
        until = asked + (changes.ttl or timedelta(0))
        return Stamp(kind=TTL, value=(iso(asked), origin), until=iso(until))
    return Stamp(kind=changes.kind, value=(version, origin))


def to_plain(stamp: Stamp) -> list[object]:
    """Return a stamp as JSON can hold it."""
    return [stamp.kind, list(stamp.value), stamp.until]


def from_plain(plain: Sequence[object]) -> Stamp:
    """Return the stamp that `to_plain` wrote.

    Raises:
        ValueError: it is none.
    """
    if len(plain) != 3 or not isinstance(plain[1], (list, tuple)):
        raise ValueError(f"{plain!r} is no stamp")
    return Stamp(kind=str(plain[0]), value=tuple(plain[1]), until=str(plain[2]))


def _holds(known: Stamp, origin: str, now: datetime) -> bool:
    """True between asking and the end of the time to live; a clock that was set back ends it."""
    if known.kind != TTL or not known.until or known.value[1:] != (origin,):
        return False
    return parse(str(known.value[0])) <= now < parse(known.until)
