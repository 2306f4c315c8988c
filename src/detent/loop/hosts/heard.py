"""How far the answers of other hosts are here, which every window that is judged asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Answers of a host that are set aside: refused, or not to be had."""

    host: str
    since: datetime  # by the host's clock
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """How far the answers of other hosts are here."""

    until: datetime  # windows that end by then may be judged; never after the present moment
    hosts: tuple[tuple[str, datetime], ...] = ()  # who serves, and up to when its answers are here, by its own clock
    silent: tuple[str, ...] = ()  # who lives and has sent nothing for long, by our own clock
    late: bool = False  # rows came that were answered long ago: what was counted before has to be counted anew
    gaps: tuple[Gap, ...] = ()

    def lacking(self, end: datetime, start: datetime | None = None) -> tuple[str, ...]:
        """Return the hosts whose answers of a window may not all be here; without its start, of all time before it."""
        behind = {name for name, until in self.hosts if until < end}
        behind |= {gap.host for gap in self.gaps if gap.since < end and (start is None or start < gap.until)}
        return tuple(sorted(behind))

    def has(self, host: str, start: datetime, end: datetime) -> bool:
        """Tell whether all that a host answered in a window is here; of a host that is not missed nobody knows."""
        return dict(self.hosts).get(host, start) >= end and host not in self.lacking(end, start)

    def whole(self, start: datetime) -> datetime:
        """Return the moment up to which, from `start` on, the answers of all hosts are here."""
        missing = [gap.since for gap in self.gaps if start < gap.until]
        return min([self.until, *(until for _, until in self.hosts), *missing])
