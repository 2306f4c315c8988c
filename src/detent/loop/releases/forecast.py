"""Traffic as the log shows it, for forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from detent.loop.champion import CHAMPION
from detent.loop.workspace import Workspace
from detent.predictions import read
from detent.registry import aliases

LATELY = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
ENOUGH = 1000  # requests from which a shorter span is trusted


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What an endpoint does lately."""

    rate: float  # requests per second
    failing: float  # share of the champion's live rows that it failed on
    rows: int


def traffic(ws: Workspace) -> Traffic:
    """Return the rate of the last hour, day or week: the shortest with 1,000 requests, else the week's."""
    now, found = ws.now(), Traffic(rate=0.0, failing=0.0, rows=0)
    for back in LATELY:
        asked = (pl.col("endpoint") == ws.project.serving.endpoint) & (pl.col("arm") == "live")
        live = read(ws.state, now - back, columns=("status", "version"), where=asked)
        own = live.filter(pl.col("version") == aliases.current(ws.db, ws.model, CHAMPION))
        failed = own.filter(pl.col("status") != "ok").height
        found = Traffic(rate=live.height / back.total_seconds(), failing=failed / max(1, own.height), rows=live.height)
        if live.height >= ENOUGH:
            break
    return found
