"""What each window cost, and how many hours of counts were lost: worked out once, when it ends, for the gauges."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from detent.loop import cost
from detent.loop.watching.granules import lost_between
from detent.loop.workspace import Workspace
from detent.monitor.states import load_state, save_state
from detent.records.version import ModelVersion
from detent.store.database import Transaction

NAME = "window"
LOST, SERVING, TRAINING = "lost", "serving", "training"
MONTH = timedelta(days=30)


def facts_of(ws: Workspace, champion: ModelVersion | None, start: datetime, end: datetime) -> dict[str, float]:
    """Return the facts after a window: LOST hours so far, and the money of SERVING in it and of TRAINING in 30 days.

    Hours count as lost one window later, when serving processes have written what they had in memory.
    """
    before = facts(ws).get(LOST, 0.0)
    lost = 0 if champion is None else lost_between(ws, champion, start - (end - start), start)
    served = cost.total(cost.window_costs(ws, start, end), ws.project.prices)
    return {LOST: before + lost, SERVING: served.money, TRAINING: cost.trainings_cost(ws, end - MONTH)[0]}


def facts(ws: Workspace) -> Mapping[str, float]:
    """Return the facts after the newest window; {} before the first."""
    return load_state(ws.db, ws.project.serving.endpoint, NAME)


def save_facts(ws: Workspace, tx: Transaction, found: Mapping[str, float], until: datetime) -> None:
    """Remember the facts after a window that ends at `until`."""
    save_state(tx, ws.project.serving.endpoint, NAME, found, until=until)
