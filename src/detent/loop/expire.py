"""Remove predictions that are older than the project keeps them."""

from __future__ import annotations

from datetime import timedelta

from detent.loop.hosts.setting_aside import given_up
from detent.loop.watching.drift import budget_of
from detent.loop.watching.granules import forget_days
from detent.loop.workspace import Workspace
from detent.predictions import parcels, places, seal
from detent.predictions.expire import Expired, expired, remove

FOR_OTHERS = timedelta(days=30)  # answers on their way to another host are kept so long where the log is kept for ever


def due(ws: Workspace) -> Expired | None:
    """Return what `serving.log.keep_days` says must go; None when the project keeps everything.

    A day stays while a row of it may still wait for its label, or is in a window that drift is looked for in.
    """
    days = ws.project.serving.log.keep_days
    if days is None:
        return None
    return expired(
        ws.state,
        ws.now(),
        keep=timedelta(days=days),
        needed=_needed(ws),
    )


def _needed(ws: Workspace) -> timedelta:
    """Return how long a row may wait for its label, and its window for its judgement."""
    monitor = ws.project.monitor
    return monitor.labels_within + max(budget_of(ws).scales) * monitor.window


def tend(ws: Workspace) -> None:
    """Move finished segments to Parquet and remove what is too old. Cheap when there is nothing to do."""
    seal(places.segments(ws.state), places.parquet(ws.state))
    found = due(ws)
    if found is not None and (found.days or found.torn):
        remove(ws.state, found)
        forget_days(ws, found.days)
    if ws.shared:
        _forget_parcels(ws)


def _forget_parcels(ws: Workspace) -> None:
    """Remove answers that nobody came for, and forget who has not come for so long: the log is kept no longer."""
    days = ws.project.serving.log.keep_days
    before = ws.now() - (FOR_OTHERS if days is None else max(timedelta(days=days), _needed(ws)))
    found = parcels.older(ws.db, before)
    if found:
        for one in found:
            ws.blobs.delete(one.digest)
        with ws.db.transaction() as tx:
            given_up(ws, tx, found)
            parcels.remove(tx, found)
            parcels.forget_takers(tx, before)
