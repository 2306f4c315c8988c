"""Is somebody still looking? Asked on a timer of its own, so that a tick that hangs is noticed."""

from __future__ import annotations

from datetime import datetime

from detent.loop.alerts.notify import notify
from detent.loop.happened import last_event
from detent.loop.workspace import Workspace
from detent.monitor import store
from detent.monitor.stale import KEY, stale
from detent.records.event import Fact
from detent.records.finding import Finding
from detent.store import ledger
from detent.store.clock import parse

SUBJECTS = ("traffic",)  # of `window.watched`; labels come when they come


def check_stale(ws: Workspace) -> Finding | None:
    """Open an episode when no window has been judged for too long, with its alert; close it when the monitor is back.

    Cheap, so it may be called every few seconds: nothing is written while nothing changes.
    """
    endpoint, plan = ws.project.serving.endpoint, ws.project.monitor
    found = stale(last_window_end(ws), plan.window, ws.now(), after=plan.stale_after)
    known = any(episode.key == KEY for episode in store.open_episodes(ws.db, endpoint))
    if known == (found is not None):
        return found
    with ws.db.transaction() as tx:
        if found is not None:
            payload = {"missed": int(found.value), "since": found.window_start, "message": found.message}
            fact = Fact(kind="monitor.stale", subject=f"endpoint:{endpoint}", actor=ws.actor, payload=payload)
            ledger.append(tx, fact, ws.now())
        notify(ws, tx, [] if found is None else [found], kinds=("meta",))
    return found


def last_window_end(ws: Workspace) -> datetime | None:
    """Return the end of the newest window that was looked at, else the first promotion; None before that."""
    ends = [
        parse(event.payload["end"])
        for what in SUBJECTS
        if (event := last_event(ws.db, "window.watched", f"{what}:{ws.project.serving.endpoint}")) is not None
    ]
    if ends:
        return max(ends)
    first = next(iter(ledger.read(ws.db, kind="rollout.promoted")), None)
    return None if first is None else parse(first.time)
