"""Look at windows of what was served, once each has ended: what was asked, what was answered, what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from detent.loop.drift import Known, drift_findings, first_window
from detent.loop.judge import CHAMPION
from detent.loop.notify import notify
from detent.loop.quality_book import whole_window
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

TRAFFIC = "traffic"
_COLUMNS = ("time", "endpoint", "arm", "status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A span of prediction times, start <= time < end."""

    start: datetime
    end: datetime


def due_windows(ws: Workspace) -> list[Window]:
    """Return the windows that ended and were not looked at yet, in order."""
    length, due = ws.project.monitor.window, []
    start = _watched_until(ws)
    while start is not None and start + length <= ws.now():
        due.append(Window(start=start, end=start + length))
        start += length
    return due


def windows_in_turn(ws: Workspace) -> Iterator[Window]:
    """Yield what is due, one window after the other; the caller watches each before it asks for the next."""
    while True:
        _skip_idle(ws)
        due = due_windows(ws)
        if not due:
            return
        yield due[0]


def _skip_idle(ws: Workspace) -> None:
    """Move on to the first window with traffic when nothing was served for a while, in one step and with one event."""
    length, start = ws.project.monitor.window, _watched_until(ws)
    if start is None or start + 2 * length > ws.now():
        return
    seal(places.segments(ws.state), places.parquet(ws.state))
    days = places.days(places.parquet(ws.state), since=start.date())
    first = min((datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days), default=None)
    if first is None:
        rows = read(ws.state, since=start, columns=_COLUMNS)
        first = rows["time"][0] if rows.height else ws.now()
    idle = (first - start) // length
    if idle > 0:
        ws.record(_skipped(ws, start, start + idle * length))


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


def watch(ws: Workspace, window: Window, *, known: Known | None = None) -> list[Finding]:
    """Judge one window; findings, episodes and alerts are stored together.

    `known` remembers what earlier windows counted; keep one per process, for a window is part of many looks.
    """
    endpoint = ws.project.serving.endpoint
    seal(places.segments(ws.state), places.parquet(ws.state))
    mine = (pl.col("endpoint") == endpoint) & (pl.col("arm") == "live")
    live = read(ws.state, since=window.start, until=window.end, columns=_COLUMNS, where=mine)
    champion = _champion_then(ws, window)
    found = [] if champion is None else _judge(ws, champion, live, window, known)
    with ws.db.transaction() as tx:
        number = champion.number if champion else None
        store.save_findings(tx, found, endpoint=endpoint, version=number, actor=ws.actor, now=ws.now())
        ledger.append(tx, _watched(ws, window, live.height, found), ws.now())
        notify(ws, tx, found, kinds=("drift", "data", "errors"))
    return found


def _judge(
    ws: Workspace, champion: ModelVersion, live: pl.DataFrame, window: Window, known: Known | None
) -> list[Finding]:
    failed = live.filter(pl.col("status") != "ok").height
    errors = error_findings(requests=live.height, errors=failed, start=iso(window.start), end=iso(window.end))
    first = first_window(ws, champion)
    if first is None or window.start < first or live.is_empty():
        return errors
    return errors + drift_findings(
        ws, champion, window.start, first=first, known=known, note=_news(ws, champion, window)
    )


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


def _watched_until(ws: Workspace) -> datetime | None:
    """Return where the next window begins; None before the first champion."""
    last = ledger.last(ws.db, "window.watched", f"{TRAFFIC}:{ws.project.serving.endpoint}")
    if last is not None:
        return parse(last.payload["end"])
    first = next(iter(ledger.read(ws.db, kind="rollout.promoted")), None)
    return None if first is None else whole_window(parse(first.time), ws.project.monitor.window)


def _watched(ws: Workspace, window: Window, rows: int, found: Sequence[Finding]) -> Fact:
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
        },
    )
