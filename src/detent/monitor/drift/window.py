"""A window as drift sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from detent.statistics.granules import Granule
from detent.statistics.reference import hour_of_week


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was counted in one whole window."""

    start: datetime  # UTC
    end: datetime
    granule: Granule
    hours: tuple[int, ...] = ()  # rows in each hour from the start; (): not known, as many as the reference has


def hours_of(window: Seen) -> tuple[int, ...]:
    """Return the hours of the week that a window touches, in order."""
    found, hour = [], window.start.replace(minute=0, second=0, microsecond=0)
    while hour < window.end:
        found.append(hour_of_week(hour))
        hour += timedelta(hours=1)
    return tuple(found)


def whole_weeks(windows: Sequence[Seen]) -> bool:
    """Tell whether windows cover each hour of the week equally often."""
    return (sum((window.end - window.start for window in windows), timedelta(0)) % timedelta(weeks=1)) == timedelta(0)
