"""Must a source outside be asked, must it be read? Pure: what is remembered, what it says, and the moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from detent.records.project import Changes
from detent.records.snapshot import Snapshot
from detent.store.clock import parse

REST, ASK, READ = "rest", "ask", "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What was read from a source last, and what it said of itself."""

    dataset: str
    origin: str  # what was read, as `origin_of` says
    version: str
    snapshot: Snapshot  # every row, uncut
    asked: str  # ISO time at which the source was last asked or read
    read: str  # ISO time at which these rows were read


def first_move(changes: Changes | None, remembered: Remembered | None, *, origin: str, now: datetime) -> str:
    """Return "rest" (use what is remembered), "ask" (for the version) or "read".

    A time to live counts from the last reading; a clock that was set back before it ends it.
    """
    if remembered is None or remembered.origin != origin or changes is None:
        return READ
    if changes.kind != "ttl":
        return ASK
    since = now - parse(remembered.asked)
    return REST if timedelta(0) <= since < (changes.ttl or timedelta(0)) else READ


def second_move(remembered: Remembered, version: str) -> str:
    """Return "rest" when the source says what it said when its rows were read, else "read"."""
    return REST if version and version == remembered.version else READ


def may_use_last(changes: Changes | None, remembered: Remembered | None, *, origin: str) -> bool:
    """True when the rows that were read last may stand in for a source that does not answer."""
    return changes is not None and changes.or_last and remembered is not None and remembered.origin == origin
