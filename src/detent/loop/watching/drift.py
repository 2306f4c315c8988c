"""Drift of what a version was asked and what it answered, and data that is broken: from counts to findings."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from detent.errors import DetentError
from detent.loop.champion import CHAMPION, bundle_folder
from detent.loop.runs.reference import read_reference
from detent.loop.watching.class_drift import class_findings, with_share
from detent.loop.watching.granules import granules_between, layout_for
from detent.loop.watching.kept import with_rows
from detent.loop.workspace import Workspace
from detent.monitor.broken import LEAST_ROWS, data_findings
from detent.monitor.budget import Budget, shares
from detent.monitor.drift.detect import detect
from detent.monitor.drift.window import Seen
from detent.monitor.forecast import Forecast, forecast
from detent.records.finding import Finding
from detent.records.version import ModelVersion
from detent.registry import aliases
from detent.statistics.axes import OUTPUT
from detent.statistics.granules import Granule, cells_of, empty, total
from detent.statistics.layout import Layout
from detent.store import ledger
from detent.store.clock import parse

# Counts of windows that were looked at before, by version and start: a window is part of up to 28 looks.
Known = MutableMapping[tuple[int, datetime], Seen]

_RECENT = 28  # windows whose rows say how many there will be
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftLook:
    """One look at a window's counts."""

    findings: tuple[Finding, ...] = ()  # of kind "data", then of kind "drift"
    rows: int = 0  # counted
    failed: int = 0  # of these, those that the version failed on
    judged: frozenset[str] = frozenset()  # kinds of which silence means that all is well


def look_at_drift(
    ws: Workspace,
    version: ModelVersion,
    start: datetime,
    *,
    first: datetime,
    known: Known | None = None,
    note: str = "",
) -> DriftLook:
    """Look at the window that begins at `start`, alone and with those before it.

    Args:
        ws: the project.
        version: whose reference it is compared with.
        start: of the window, a whole hour.
        first: start of the first window that the version is watched in; rows before it are not looked at.
        known: counts of earlier windows; what is counted now is added, and what no later look needs is dropped.
        note: added to each message about drift.
    """
    plan, known = ws.project.monitor, known if known is not None else {}
    reference = read_reference(bundle_folder(ws, version))
    layout, signature = layout_for(ws, version)
    budget = with_share(budget_of(ws), signature.classes)
    windows = []
    for back in reversed(range(max(budget.scales))):
        begin = start - back * plan.window
        if begin >= first:
            windows.append(_seen(ws, version, layout, begin, known))
    _forget(known, version.number, windows[0].start)
    newest = windows[-1].granule
    if not newest.rows:
        return DriftLook()
    span = (start, start + plan.window)
    broken = data_findings(reference, newest, span, layout=layout, version=version.number)
    found = detect(reference, windows, budget=budget, plan=plan.drift, layout=layout, version=version.number, note=note)
    told = with_rows(
        ws, version, found, windows, reference=reference, layout=layout, signature=signature, budget=budget
    )
    classes = class_findings(ws, version, windows, reference=reference, budget=budget, note=note)
    return DriftLook(
        findings=(*broken, *told, *classes),
        rows=newest.rows,
        failed=cells_of(layout, newest, OUTPUT).null,
        judged=frozenset({"drift", "data"} if newest.rows >= LEAST_ROWS else {"drift"}),
    )


def _forget(known: Known, number: int, oldest: datetime) -> None:
    """Drop what no look at a later window needs: a controller lives for months."""
    for key in [(version, begin) for version, begin in known if version != number or begin < oldest]:
        del known[key]


def budget_of(ws: Workspace) -> Budget:
    """Return how sure each look of the monitor must be."""
    plan = ws.project.monitor
    return shares(plan.drift.false_alarms, plan.window, plan.drift.scales)


def monitor_forecast(ws: Workspace, version: ModelVersion, rows: float | None) -> Forecast:
    """Say what monitoring a version will find.

    Args:
        ws: the project.
        version: that will be watched.
        rows: predictions per window; None: as many as the last windows had.

    Raises:
        DetentError: nothing was watched yet, so nobody knows how many rows there will be.
    """
    plan = ws.project.monitor
    rows = rows if rows is not None else _usual_rows(ws)
    if rows is None:
        raise DetentError(
            what="nobody knows how many rows a window will have",
            why="no window with traffic was looked at yet",
            fix="say it: `detent monitor plan --rows 1000`",
        )
    reference = read_reference(bundle_folder(ws, version))
    return forecast(reference, rows_per_window=rows, window=plan.window, plan=plan.drift)


def _usual_rows(ws: Workspace) -> float | None:
    """Return the mean number of rows of the last windows that had any."""
    watched = ledger.read(ws.db, kind="window.watched", subject=f"traffic:{ws.project.serving.endpoint}")
    rows = [event.payload["rows"] for event in watched if event.payload["rows"]][-_RECENT:]
    return sum(rows) / len(rows) if rows else None


def first_window(ws: Workspace, version: ModelVersion) -> datetime | None:
    """Return the start of the first window of a version: the first whole one after its promotion; None before it.

    Windows of days begin at midnight UTC, others at a whole hour.
    """
    promoted = [
        parse(change.at)
        for change in aliases.history(ws.db, ws.model)
        if change.alias == CHAMPION and change.number == version.number
    ]
    if not promoted:
        return None
    moment, whole = promoted[-1], timedelta(days=1) if ws.project.monitor.window >= timedelta(days=1) else _HOUR
    floor = moment.replace(minute=0, second=0, microsecond=0)
    floor = floor.replace(hour=0) if whole > _HOUR else floor
    return floor if floor == moment else floor + whole


def _seen(ws: Workspace, version: ModelVersion, layout: Layout, start: datetime, known: Known) -> Seen:
    key = (version.number, start)
    if key not in known:
        end = start + ws.project.monitor.window
        hours = granules_between(ws, version, start, end, whoever=True)
        known[key] = Seen(
            start=start,
            end=end,
            granule=total([granule for _, granule in hours]) if hours else empty(layout),
            hours=_by_hour(dict(hours), start, end),
        )
    return known[key]


def _by_hour(hours: dict[datetime, Granule], start: datetime, end: datetime) -> tuple[int, ...]:
    found, hour = [], start
    while hour < end:
        granule = hours.get(hour)
        found.append(granule.rows if granule is not None else 0)
        hour += _HOUR
    return tuple(found)
