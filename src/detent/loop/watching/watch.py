"""Look at windows of what was served, once each has ended: what was asked, what was answered, what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from detent.loop.alerts.notify import notify
from detent.loop.champion import CHAMPION
from detent.loop.hosts.heard import Heard
from detent.loop.watching.drift import DriftLook, Known, first_window, look_at_drift
from detent.loop.watching.granules import first_traffic, only_counted
from detent.loop.watching.incomplete import Lacking, came_in, newest, without
from detent.loop.watching.promises import worst
from detent.loop.watching.quality_book import whole_window
from detent.loop.watching.window_facts import facts_of, save_facts
from detent.loop.workspace import Workspace
from detent.monitor import store
from detent.monitor.failures import error_findings
from detent.monitor.states import load_state, save_state
from detent.predictions import places, read, seal
from detent.records.event import Fact
from detent.records.finding import INFO, SEVERITIES, Finding
from detent.records.version import ModelVersion
from detent.registry import aliases, versions
from detent.store import ledger
from detent.store.clock import iso, parse
from detent.store.database import Reader, Transaction

TRAFFIC = "traffic"
REJUDGED = "window.rejudged"
KINDS = ("errors", "data", "drift")  # of findings about traffic
_LACKING = "lacking"
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
        _skip_idle(ws, heard)
        due = due_windows(ws, heard)
        if not due:
            return
        yield due[0]


def _now(ws: Workspace, heard: Heard | None) -> datetime:
    """Return the moment up to which windows may be judged."""
    return ws.now() if heard is None else heard.until


def _skip_idle(ws: Workspace, heard: Heard | None) -> None:
    """Move on to the first window with traffic when nothing was served for a while, in one step and with one event.

    Where answers of another host are missing nobody knows that nothing was served.
    """
    length, start = ws.project.monitor.window, _watched_until(ws)
    if start is None:
        return
    now = ws.now() if heard is None else heard.whole(start)
    if start + 2 * length > now:
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
    seen = _see(ws, window, known)
    facts = facts_of(ws, seen.champion, window.start, window.end)
    with ws.db.transaction() as tx:
        if _watched_until(ws, tx) != window.start:  # another controller did it, and tells what it found
            return []
        save_facts(ws, tx, facts, window.end)
        if lacking:
            _save_lacking(ws, tx, {**_lacking(ws, tx), window.start: tuple(lacking)})
        _save_found(ws, tx, seen)
        ledger.append(tx, _watched(ws, window, seen, lacking=lacking), ws.now())
        # What could not be looked at did not come out clean: its episodes stay open.
        notify(ws, tx, seen.found, kinds=seen.drift.judged | ({"errors"} if seen.rows else set()))
    return list(seen.found)


def watch_again(ws: Workspace, heard: Heard) -> None:
    """Judge once more the windows that lacked answers of hosts, as these come in.

    That is told to people where it came out worse than it was known to be, and is no reason to train: what is decided
    now is decided from windows of now.
    """
    known: Known = {}
    length = ws.project.monitor.window
    for start, came in came_in(_lacking(ws, ws.db), heard, length).items():
        window = Window(start=start, end=start + length)
        seen, before = _see(ws, window, known), _severity_of(ws, window)
        with ws.db.transaction() as tx:
            lacking = _lacking(ws, tx)
            if not set(came) <= set(lacking.get(start, ())):  # another controller did it
                continue
            left = without(lacking, start, came)
            _save_lacking(ws, tx, left)
            _save_found(ws, tx, seen)
            fact = _watched(ws, window, seen, lacking=left.get(start, ()))
            payload = {**fact.payload, "came": list(came), "before": before}
            ledger.append(tx, replace(fact, kind=REJUDGED, payload=payload), ws.now())
            if SEVERITIES.index(worst(seen.found)) > SEVERITIES.index(before):
                notify(ws, tx, seen.found, kinds=())  # of a window of long ago nothing comes out clean


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was found in a window."""

    champion: ModelVersion | None
    drift: DriftLook
    found: tuple[Finding, ...]
    rows: int


def _see(ws: Workspace, window: Window, known: Known | None) -> _Seen:
    seal(places.segments(ws.state), places.parquet(ws.state))
    mine = (pl.col("endpoint") == ws.project.serving.endpoint) & (pl.col("arm") == "live")
    live = read(ws.state, since=window.start, until=window.end, columns=_COLUMNS, where=mine)
    champion = _champion_then(ws, window)
    drift = DriftLook() if champion is None else _drift(ws, champion, live, window, known)
    found = (*_failures(ws, live, window, drift), *drift.findings)
    rows = max(live.height, drift.rows) if only_counted(ws) else live.height
    return _Seen(champion=champion, drift=drift, found=found, rows=rows)


def _save_found(ws: Workspace, tx: Transaction, seen: _Seen) -> None:
    number = seen.champion.number if seen.champion else None
    endpoint = ws.project.serving.endpoint
    store.save_findings(tx, seen.found, endpoint=endpoint, version=number, actor=ws.actor, now=ws.now())


def _lacking(ws: Workspace, reader: Reader) -> dict[datetime, tuple[str, ...]]:
    told = load_state(reader, ws.project.serving.endpoint, _LACKING).get("windows", {})
    return {parse(start): tuple(hosts) for start, hosts in told.items()}


def _save_lacking(ws: Workspace, tx: Transaction, lacking: Lacking) -> None:
    told = {iso(start): list(hosts) for start, hosts in newest(lacking).items()}
    save_state(tx, ws.project.serving.endpoint, _LACKING, {"windows": told}, until=ws.now())


def _severity_of(ws: Workspace, window: Window) -> str:
    """Return the worst that is known of a window's traffic."""
    since = window.end - timedelta(microseconds=1)
    stored = store.findings(ws.db, ws.project.serving.endpoint, since=since)
    return worst([one for one in stored if one.window_end == iso(window.end) and one.kind in KINDS])


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


def _watched_until(ws: Workspace, reader: Reader | None = None) -> datetime | None:
    """Return where the next window begins; None before the first champion."""
    reader = reader or ws.db
    last = ledger.last(reader, "window.watched", f"{TRAFFIC}:{ws.project.serving.endpoint}")
    if last is not None:
        return parse(last.payload["end"])
    first = next(iter(ledger.read(reader, kind="rollout.promoted")), None)
    return None if first is None else whole_window(parse(first.time), ws.project.monitor.window)


def _watched(ws: Workspace, window: Window, seen: _Seen, *, lacking: Sequence[str]) -> Fact:
    drift = [finding for finding in seen.found if finding.kind == "drift"]
    psi = [finding.value for finding in drift if finding.statistic == "psi"]
    return Fact(
        kind="window.watched",
        subject=f"{TRAFFIC}:{ws.project.serving.endpoint}",
        actor=ws.actor,
        payload={
            "what": TRAFFIC,
            "start": iso(window.start),
            "end": iso(window.end),
            "rows": seen.rows,
            "severity": worst(seen.found),
            "drift": round(max(psi, default=0.0), 6),
            "drift_severity": worst(drift),
            **({"lacking": list(lacking)} if lacking else {}),
        },
    )
