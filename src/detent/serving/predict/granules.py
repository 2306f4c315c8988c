"""Counts of what this process answers: per endpoint, version and hour, over the bins of the version's reference.

A turn of the event loop only packs its rows; they are counted by the hundred. The files lie beside the log and are
no substitute for it: who reads them compares their rows with the log's (`loop.granules`). With the log off they are all
there is, and a process that is killed loses what it counted since it wrote last.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import quote

from detent.records.route import Arm
from detent.serving.counts.counters import LIVE
from detent.serving.models.lanes import unasked
from detent.serving.models.loaded import LoadedVersion
from detent.serving.predict.endpoints import Endpoint
from detent.serving.predict.tickets import Ticket
from detent.serving.rows.validate import Row
from detent.statistics.counting import CHUNK, Tally
from detent.statistics.days import day_of, hour_of
from detent.statistics.granules import Granule, granule_of, to_bytes, total
from detent.statistics.layout import Layout
from detent.store.atomic import unique_name

LOG = logging.getLogger(__name__)

WRITE_SECONDS = 10.0  # between two writes: what a killed process loses when nothing is logged
_MANY = 512  # rows that are counted at once; they hold the event loop for less than a millisecond
_HOUR = timedelta(hours=1)
_NEVER = datetime(1, 1, 1, tzinfo=UTC)
Pick = Callable[[Row], Sequence[Any]]


class Counting:
    """Counts rows of the arm "live" of one process. Used on the event loop's thread; only `store` runs elsewhere.

    Args:
        folder: of the files of all processes.
        owner: which of them this one is, for example "w0".
        life: tells it from an earlier one of the same name.
        masked: inputs that must not be counted, because the log does not keep them either.
    """

    def __init__(self, folder: Path, owner: str, *, life: str = "", masked: Iterable[str] = ()) -> None:
        self._folder, self._name = folder, f"{owner}-{life or secrets.token_hex(8)}"
        self._masked = frozenset(masked)
        self._counts: dict[tuple[str, int], _Hours] = {}
        self._hour = self._next = _NEVER  # the hour that is counted, and its end
        self._last: tuple[Arm | None, Endpoint | None, _Hours | None] = (None, None, None)  # where a row was counted
        self._written = monotonic()

    def see(self, tickets: Sequence[Ticket]) -> None:
        """Take the rows of a turn that was answered.

        They are packed at once, while they are in the processor's cache, and counted when there are many.
        """
        try:
            self._see(tickets)
        except Exception:  # counts can be made again from the log; an answer must never fail for them
            LOG.exception("action=count requests=%d", len(tickets))

    def due(self) -> bool:
        """True when it is time to write."""
        return monotonic() - self._written >= WRITE_SECONDS

    def changed(self) -> dict[Path, bytes]:
        """Return the files that have changed since the last call; days that are over are forgotten."""
        self._written = monotonic()
        return {
            self._folder / day.isoformat() / f"{quote(endpoint, safe='')}-{version}-{self._name}.bin": data
            for (endpoint, version), hours in self._counts.items()
            for day, data in hours.changed().items()
        }

    def close(self) -> None:
        """Write what is left."""
        store(self.changed())

    def _see(self, tickets: Sequence[Ticket]) -> None:
        arm, endpoint, hours = self._last
        seen = None
        for ticket in tickets:
            if ticket.arm != LIVE:
                continue
            if ticket.now is not seen:  # most of a turn came at the same moment
                seen = ticket.now
                if not self._hour <= seen < self._next:  # the next hour, or the clock was put back
                    self._turn(seen)
            for item in ticket.items:
                outcome = item.outcome
                if outcome is None or (outcome.score is None and unasked(outcome)):
                    continue
                if item.arm is not arm or ticket.endpoint is not endpoint:
                    arm, endpoint = item.arm, ticket.endpoint
                    hours = self._hours_of(endpoint, arm.version)
                    self._last = arm, endpoint, hours
                if hours is not None:
                    pick = hours.pick
                    hours.packed.append(hours.pack(*(item.row if pick is None else pick(item.row))))
                    hours.scores.append(outcome.score)
            if hours is not None and len(hours.packed) >= _MANY:
                hours.count()

    def _turn(self, now: datetime) -> None:
        """Begin the hour that a moment is in."""
        self._hour = hour_of(now)
        self._next = self._hour + _HOUR
        for hours in self._counts.values():
            hours.turn(self._hour)

    def _hours_of(self, endpoint: Endpoint, number: int) -> _Hours | None:
        """Return what a version's rows are counted in; None for one that is not loaded, or that has no bins."""
        version, name = endpoint.versions.get(number), endpoint.route.endpoint
        if version is None or version.layout is None:
            return None
        found = self._counts.get((name, number))
        if found is None:
            found = self._counts[name, number] = _Hours(version, version.layout.without(self._masked))
            found.turn(self._hour)
        return found


class _Hours:
    """The counts of one version at one endpoint."""

    def __init__(self, version: LoadedVersion, layout: Layout) -> None:
        self._tally = Tally(layout)
        self.pack, self.packed = self._tally.pack, list[bytes]()
        self.scores: list[float | None] = []
        self.pick = _pick([axis.name for axis in layout.axes[:-1]], version.reader.names)
        self._hour = _NEVER
        self._done: dict[datetime, Granule] = {}
        self._packed: dict[datetime, bytes] = {}  # of these, those that have not changed since they were written
        self._changed: set[date] = set()

    def turn(self, hour: datetime) -> None:
        """Begin another hour."""
        self._finish()
        self._hour = hour

    def count(self) -> None:
        """Count the rows that were packed."""
        packed, scores, self.packed, self.scores = self.packed, self.scores, [], []
        for start in range(0, len(packed), CHUNK):
            self._tally.add_packed(packed[start : start + CHUNK], scores[start : start + CHUNK])

    def changed(self) -> dict[date, bytes]:
        """Return the days that have changed since the last call, and forget those that are over."""
        self._finish()
        found = {day: self._day(day) for day in self._changed}
        newest = max(self._done, default=_NEVER).date()
        for hour in [hour for hour in self._done if (newest - hour.date()).days > 1]:
            del self._done[hour]
            self._packed.pop(hour, None)
        self._changed.clear()
        return found

    def _day(self, day: date) -> bytes:
        for hour, granule in self._done.items():
            if hour.date() == day and hour not in self._packed:
                self._packed[hour] = to_bytes(granule)
        return day_of({hour: data for hour, data in self._packed.items() if hour.date() == day})

    def _finish(self) -> None:
        """Put what was counted beside what was counted earlier in the same hour."""
        self.count()
        if self._tally.rows[0]:
            counted, before = granule_of(self._tally), self._done.get(self._hour)
            self._done[self._hour] = counted if before is None else total((before, counted))
            self._packed.pop(self._hour, None)
            self._changed.add(self._hour.date())
            self._tally.reset()


def store(files: Mapping[Path, bytes]) -> None:
    """Write files so that a reader sees the old or the new bytes. Not through to the disk: the log is what must last.

    A file that can't be written is left out; it is written again with the next change.
    """
    for path, data in files.items():
        temporary = path.with_name(unique_name())
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            LOG.warning("action=profile file=%s reason=%r", path.name, error.strerror or str(error))


def _pick(wanted: Sequence[str], names: Sequence[str]) -> Pick | None:
    """Return what takes the wanted inputs out of a row; None when that is the whole row."""
    if list(wanted) == list(names):
        return None
    places = [names.index(name) for name in wanted]
    if len(places) > 1:
        return itemgetter(*places)
    return lambda row: tuple(row[place] for place in places)
