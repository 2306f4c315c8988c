"""Look at windows of what was served, once each has ended: what was asked, what was answered, what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from detent.loop.drift import DriftLook, Known, first_window, look_at_drift
from detent.loop.granules import first_traffic, only_counted
from detent.loop.judge import CHAMPION
from detent.loop.notify import notify
from detent.loop.quality_book import whole_window
from detent.loop.taking import Heard
from detent.loop.window_facts import facts_of, save_facts
from detent.loop.workspace import Workspace
from detent.monitor import store
from detent.monitor.failures import error_findings
from detent.predictions import places, read, seal
from detent.records.event import Fact
from detent.records.finding import INFO, SEVERITIES, Finding
from detent.records.version import ModelVersion
from detent.registry import aliases, versions
from detent.store import ledger
from detent.store.clock import iso, parse
from detent.store.database import Reader

TRAFFIC = "traffic"
_COLUMNS = ("time", "endpoint", "arm", "status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A span of prediction times, start <= time < end."""

    start: datetime
    end: datetime


def due_windows(ws: Workspace, heard: Heard | None = None) -> list[Window]:
    """Return the windows that ended and were not looked at yet, in order; a host whose answers come is waited for."""
    length, due = ws.project.monitor.window, []
    start = _watched_until(ws)
    while start is not None and start + length <= _now(ws, heard):
        due.append(Window(start=start, end=start + length))
        start += length
    return due


def windows_in_turn(ws: Workspace, heard: Heard | None = None) -> Iterator[Window]:
    """Yield what is due, one window after the other; the caller watches each before it asks for the next."""
    while True:
        _skip_idle(ws, _now(ws, heard))
        due = due_windows(ws, heard)
        if not due:
            return
        yield due[0]


def _now(ws: Workspace, heard: Heard | None) -> datetime:
    """Return the moment up to which windows may be judged."""
    return ws.now() if heard is None else heard.until


def _skip_idle(ws: Workspace, now: datetime) -> None:
    """Move on to the first window with traffic when nothing was served for a while, in one step and with one event."""
    length, start = ws.project.monitor.window, _watched_until(ws)
    if start is None or start + 2 * length > now:
        return
    idle = (min(now, first_traffic(ws, start)) - start) // length
    if idle > 0:
        with ws.db.transaction() as tx:
            if _watched_until(ws, tx) == start:
                ledger.append(tx, _skipped(ws, start, start + idle * length), ws.now())


def _skipped(ws: Workspace, start: datetime, end: datetime) -> Fact:
    return Fact(
        kind="window.watched",
        subject=f"{TRAFFIC}:{ws.project.serving.endpoint}",
        actor=ws.actor,
        payload={
            "what": TRAFFIC,
            "start": iso(start),
            "end": iso(end),
            "rows": 0,
            "severity": INFO,
            "drift": 0.0,
            "drift_severity": INFO,
            "reason": "nothing was served",
        },
    )


def watch(ws: Workspace, window: Window, *, known: Known | None = None, lacking: Sequence[str] = ()) -> list[Finding]:
    """Judge one window; findings, episodes and alerts are stored together.

    `known` remembers what earlier windows counted; keep one per process, for a window is part of many looks. `lacking`:
    hosts whose answers are not all here.
    """
    endpoint = ws.project.serving.endpoint
    seal(places.segments(ws.state), places.parquet(ws.state))
    mine = (pl.col("endpoint") == endpoint) & (pl.col("arm") == "live")
    live = read(ws.state, since=window.start, until=window.end, columns=_COLUMNS, where=mine)
    champion = _champion_then(ws, window)
    drift = DriftLook() if champion is None else _drift(ws, champion, live, window, known)
    found = [*_failures(ws, live, window, drift), *drift.findings]
    rows = max(live.height, drift.rows) if only_counted(ws) else live.height
    facts = facts_of(ws, champion, window.start, window.end)
    with ws.db.transaction() as tx:
        if _watched_until(ws, tx) != window.start:  # another controller did it, and tells what it found
            return []
        number = champion.number if champion else None
        save_facts(ws, tx, facts, window.end)
        store.save_findings(tx, found, endpoint=endpoint, version=number, actor=ws.actor, now=ws.now())
        ledger.append(tx, _watched(ws, window, rows, found, lacking), ws.now())
        # What could not be looked at did not come out clean: its episodes stay open.
        notify(ws, tx, found, kinds=drift.judged | ({"errors"} if rows else set()))
    return found


def _failures(ws: Workspace, live: pl.DataFrame, window: Window, drift: DriftLook) -> list[Finding]:
    """Judge the requests that nobody could answer, by the log where it holds all of them, else by what was counted."""
    failed, requests = live.filter(pl.col("status") != "ok").height, live.height
    if drift.rows and only_counted(ws):
        failed, requests = drift.failed, drift.rows
    return error_findings(requests=requests, errors=failed, start=iso(window.start), end=iso(window.end))


def _drift(ws: Workspace, champion: ModelVersion, live: pl.DataFrame, window: Window, known: Known | None) -> DriftLook:
    first = first_window(ws, champion)
    if first is None or window.start < first or (live.is_empty() and not only_counted(ws)):
        return DriftLook()
    return look_at_drift(ws, champion, window.start, first=first, known=known, note=_news(ws, champion, window))


def _champion_then(ws: Workspace, window: Window) -> ModelVersion | None:
    """Return the champion with which a window began, or else the first one of it.

    Its reference covers the whole window, also when another version took over in it: arms are chosen at random, so
    all requests tell about the inputs.
    """
    changes = [one for one in aliases.history(ws.db, ws.model) if one.alias == CHAMPION and one.number is not None]
    before = [one.number for one in changes if parse(one.at) <= window.start]
    within = [one.number for one in changes if window.start < parse(one.at) < window.end]
    number = before[-1] if before else within[0] if within else None
    return None if number is None else versions.get(ws.db, ws.model, number)


def _news(ws: Workspace, champion: ModelVersion, window: Window) -> str:
    """Say which other version took traffic in a window; "" when none did."""
    took = [
        one.number
        for one in aliases.history(ws.db, ws.model)
        if one.alias == CHAMPION
        and one.number not in (None, champion.number)
        and window.start < parse(one.at) < window.end
    ]
    return f"version {took[-1]} took over in this window" if took else ""


def worst(findings: Sequence[Finding]) -> str:
    """Return the highest severity; INFO when there is nothing."""
    return max((finding.severity for finding in findings), key=SEVERITIES.index, default=INFO)


def _watched_until(ws: Workspace, reader: Reader | None = None) -> datetime | None:
    """Return where the next window begins; None before the first champion."""
    reader = reader or ws.db
    last = ledger.last(reader, "window.watched", f"{TRAFFIC}:{ws.project.serving.endpoint}")
    if last is not None:
        return parse(last.payload["end"])
    first = next(iter(ledger.read(reader, kind="rollout.promoted")), None)
    return None if first is None else whole_window(parse(first.time), ws.project.monitor.window)


def _watched(ws: Workspace, window: Window, rows: int, found: Sequence[Finding], lacking: Sequence[str]) -> Fact:
    drift = [finding for finding in found if finding.kind == "drift"]
    psi = [finding.value for finding in drift if finding.statistic == "psi"]
    return Fact(
        kind="window.watched",
        subject=f"{TRAFFIC}:{ws.project.serving.endpoint}",
        actor=ws.actor,
        payload={
            "what": TRAFFIC,
            "start": iso(window.start),
            "end": iso(window.end),
            "rows": rows,
            "severity": worst(found),
            "drift": round(max(psi, default=0.0), 6),
            "drift_severity": worst(drift),
            **({"lacking": list(lacking)} if lacking else {}),
        },
    )
