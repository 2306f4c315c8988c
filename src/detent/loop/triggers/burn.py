"""How fast requests use up the share of failures that `trigger.slo` allows."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from detent.loop.workspace import Workspace
from detent.predictions import read
from detent.predictions.tails import kept
from detent.records.project import Slo
from detent.trigger.signals import Burn

EVERY = timedelta(minutes=1)  # between two looks at the log
LEAST = 50  # requests of the short span below which nothing is said
SHORT = 12  # the short span is this part of the long one
_COLUMNS = ("time", "endpoint", "arm", "status")


class SloWatch:
    """Looks at the log at most once a minute, and remembers what it said."""

    def __init__(self) -> None:
        self._looked: datetime | None = None
        self._said: Burn | None = None

    def look(self, ws: Workspace) -> Burn | None:
        """Return the alarm that is on, or None.

        Two spans must agree (Google's SRE workbook, chapter 5): the long one says that it matters, the short one that
        it still goes on.
        """
        slo, now = ws.project.trigger.slo, ws.now()
        if slo is None:
            return None
        if self._looked is None or not timedelta(0) <= now - self._looked < EVERY:
            mine = (pl.col("endpoint") == ws.project.serving.endpoint) & (pl.col("arm") == "live")
            rows = read(ws.state, now - slo.over, columns=_COLUMNS, where=mine, tails=kept(ws.state))
            self._looked, self._said = now, burning(rows, slo, now)
        return self._said


def burning(rows: pl.DataFrame, slo: Slo, now: datetime) -> Burn | None:
    """Return the alarm for the requests of the last `slo.over` (columns `time`, `status`), or None."""
    recent = rows.filter(pl.col("time") > now - slo.over / SHORT)
    if recent.height < LEAST:
        return None
    share, lately = _failed(rows), _failed(recent)
    if min(share, lately) < slo.errors * slo.burn:
        return None
    times = share / slo.errors
    message = (
        f"{share:.1%} of {rows.height:,} requests failed within {slo.over.total_seconds() / 60:g} minutes: "
        f"{times:.1f} times what the SLO of {slo.errors:.3g} allows"
    )
    return Burn(share=round(share, 6), rows=rows.height, times=round(times, 3), message=message)


def _failed(rows: pl.DataFrame) -> float:
    return rows.filter(pl.col("status") != "ok").height / rows.height
