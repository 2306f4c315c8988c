"""The monitor of the monitor: silence is only good news while somebody looks. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from detent.records.finding import WARNING, Finding
from detent.store.clock import iso

STALE = "stale"
KEY = f"meta:{STALE}"  # of the episode


def stale(last_window_end: datetime | None, window: timedelta, now: datetime, *, after: int = 3) -> Finding | None:
    """Say that no window has been judged for too long.

    Args:
        last_window_end: end of the newest window that was looked at; None: nothing has been served yet.
        window: length of a window.
        now: this moment.
        after: windows that may pass without a look. The one that runs now is not counted: it can't be judged yet.

    Returns:
        A WARNING of kind "meta" with the number of windows that were missed; None while all is well, or when the clock
        stands before the last window.
    """
    if last_window_end is None:
        return None
    missed = (now - last_window_end) // window
    if missed < after:
        return None
    return Finding(
        kind="meta",
        severity=WARNING,
        column=None,
        statistic=STALE,
        value=float(missed),
        low=None,
        high=None,
        threshold=float(after),
        rows=0,
        window_start=iso(last_window_end),
        window_end=iso(now),
        message=f"No window has been judged since {last_window_end:%Y-%m-%d %H:%M} UTC: {missed:,} windows were "
        "missed. Nobody watches the model until the monitor runs again.",
    )
