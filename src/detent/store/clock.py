"""Time as a part that is handed in: the real clock, or a virtual one that every process of a simulation shares."""

from __future__ import annotations

import mmap
import os
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """Whoever needs the time asks one of these. Safe to call from any thread or process."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)


class VirtualClock:
    """A clock that moves only when told, kept in a small shared file so that serving processes see the same time."""

    def __init__(self, path: Path, *, start: datetime | None = None) -> None:
        if start is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(struct.pack("<q", _microseconds(start)))
        descriptor = os.open(path, os.O_RDWR)
        try:
            self._page = mmap.mmap(descriptor, 8)
        finally:
            os.close(descriptor)
        self.path = path

    def now(self) -> datetime:
        """Return the virtual time."""
        (microseconds,) = struct.unpack_from("<q", self._page)
        return _EPOCH + timedelta(microseconds=microseconds)

    def set(self, moment: datetime) -> None:
        """Move the clock; it never moves back.

        Raises:
            ValueError: the moment lies before the present virtual time.
        """
        if moment < self.now():
            raise ValueError(f"virtual time can't go back from {iso(self.now())} to {iso(moment)}")
        struct.pack_into("<q", self._page, 0, _microseconds(moment))


def iso(moment: datetime) -> str:
    """Return ISO 8601 in UTC with microseconds: text that sorts like time.

    Raises:
        ValueError: the datetime is naive, so nobody knows which moment it means.
    """
    if moment.tzinfo is None:
        raise ValueError("a time without a zone has no meaning here")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def parse(text: str) -> datetime:
    """Return the aware UTC datetime of an ISO 8601 text; a text without a zone or time of day means UTC midnight."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
