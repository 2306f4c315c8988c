"""Remove predictions that are older than the project keeps them."""

from __future__ import annotations

from datetime import timedelta

from detent.loop.drift import budget_of
from detent.loop.granules import forget_days
from detent.loop.workspace import Workspace
from detent.predictions import places, seal
from detent.predictions.expire import Expired, expired, remove


def due(ws: Workspace) -> Expired | None:
    """Return what `serving.log.keep_days` says must go; None when the project keeps everything.

    A day stays while a row of it may still wait for its label, or is in a window that drift is looked for in.
    """
    days = ws.project.serving.log.keep_days
    if days is None:
        return None
    monitor = ws.project.monitor
    return expired(
        ws.state,
        ws.now(),
        keep=timedelta(days=days),
        needed=monitor.labels_within + max(budget_of(ws).scales) * monitor.window,
    )


def tend(ws: Workspace) -> None:
    """Move finished segments to Parquet and remove what is too old. Cheap when there is nothing to do."""
    seal(places.segments(ws.state), places.parquet(ws.state))
    found = due(ws)
    if found is not None and (found.days or found.torn):
        remove(ws.state, found)
        forget_days(ws, found.days)
