"""What the monitor saw, put together for people: each statement carries the number of its entry in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from detent.loop.audit import audit
from detent.loop.champion import champion_version
from detent.loop.report.incident import incidents, timeline_of
from detent.loop.report.standing import standing
from detent.loop.report.story import sentence
from detent.loop.report.views import (
    AlertRow,
    Cell,
    ColumnRow,
    Decision,
    EpisodeRow,
    Measured,
    MonitorReport,
    Standing,
    Training,
    WindowRow,
)
from detent.loop.workspace import Workspace
from detent.monitor import outbox, store
from detent.monitor.drift.opinion import TOGETHER
from detent.monitor.episodes import OPEN
from detent.records.event import Event
from detent.records.finding import INFO, SEVERITIES
from detent.store import ledger
from detent.store.clock import iso, parse

WINDOWS = 60  # shown unless more are asked for
TIMELINES = 10  # the newest alerts have their story told
MOST_SLICES = 20
OUTPUT = "prediction"
DECISIONS = (
    "training.", "trigger.decided", "verdict.", "rollout.promoted", "rollout.rolled_back", "rollout.called_back",
    "data.quarantined", "data.released", "version.fell_back", "human.", "waiver.", "sabotage.shipped", "monitor.stale",
)  # fmt: skip


def collect(ws: Workspace, since: datetime | None = None) -> MonitorReport:
    """Read what is stored and return the report; nothing is computed anew, so it says what was known at the time.

    Args:
        ws: the project.
        since: windows that end after it are shown; None: the newest 60.
    """
    endpoint, plan = ws.project.serving.endpoint, ws.project.monitor
    windows = _windows(ws, endpoint, since)
    start = windows[0].start if windows else ""
    events = list(ledger.read(ws.db, since=start or None)) if start or since is None else []
    found = [(event, finding) for event in events if event.kind == "window.judged" for finding in _findings(event)]
    found = [(event, finding) for event, finding in found if finding["window_end"] > start]
    columns = _columns(found, windows)
    episodes = _episodes(ws, endpoint, found, start)
    checked = audit(ws)
    report = MonitorReport(
        project=ws.project.name,
        endpoint=endpoint,
        metric=plan.quality,
        floor=plan.floor,
        champion=None if (champion := champion_version(ws)) is None else champion.number,
        made_at=iso(ws.now()),
        start=start,
        end=windows[-1].end if windows else "",
        window_seconds=plan.window.total_seconds(),
        standing=Standing(headline="", tone="soft", sentences=()),
        windows=windows,
        quality=_measured(found, "quality", plan.quality),
        estimates=_measured(found, "estimate", plan.quality),
        coverage=_measured(found, "labels", "coverage"),
        columns=columns,
        slices=_slices(found),
        together=_measured(found, "drift", TOGETHER),
        episodes=episodes,
        alerts=_alerts(ws, start),
        undelivered=_undelivered(ws),
        decisions=_decisions(events),
        trainings=_trainings(events),
        events=checked.events,
        intact=checked.intact,
    )
    return _with_standing(ws, report)


def _with_standing(ws: Workspace, report: MonitorReport) -> MonitorReport:
    replayed = (ws.state / "clock").exists()
    stale_after = ws.project.monitor.stale_after * report.window_seconds
    silent = bool(report.end) and not replayed and (ws.now() - parse(report.end)).total_seconds() > stale_after
    return replace(report, standing=standing(report, silent=silent))


def _windows(ws: Workspace, endpoint: str, since: datetime | None) -> tuple[WindowRow, ...]:
    """Return the windows of traffic; one that was looked at twice counts as it was looked at last."""
    rows: dict[str, WindowRow] = {}
    subject = f"traffic:{endpoint}"
    first = ledger.read(ws.db, kind="window.watched", subject=subject)
    for event in (*first, *ledger.read(ws.db, kind="window.rejudged", subject=subject)):
        told = event.payload
        if since is not None and parse(told["end"]) <= since:
            continue
        rows[told["end"]] = WindowRow(
            start=told["start"], end=told["end"], rows=told["rows"], severity=told["severity"],
            drift=told.get("drift", 0.0), idle=told.get("reason") is not None,
            lacking=tuple(told.get("lacking", ())), seq=event.seq, came=tuple(told.get("came", ())),
        )  # fmt: skip
    ordered = [rows[end] for end in sorted(rows)]
    return tuple(ordered if since is not None else ordered[-WINDOWS:])


def _findings(event: Event) -> Iterable[dict[str, Any]]:
    return event.payload.get("findings", ())


def _measured(found: Sequence[tuple[Event, dict[str, Any]]], kind: str, statistic: str) -> tuple[Measured, ...]:
    """Return the values of one statistic of a kind, the last word about each window and version."""
    rows: dict[tuple[str, str], Measured] = {}
    for event, finding in found:
        if (finding["kind"], finding["statistic"]) != (kind, statistic) or finding.get("slice"):
            continue
        version = finding.get("version", event.payload.get("version"))
        rows[finding["window_end"], str(version)] = Measured(
            start=finding["window_start"], end=finding["window_end"], metric=finding["statistic"],
            value=finding["value"], low=finding["low"], high=finding["high"], threshold=finding["threshold"],
            rows=finding["rows"], severity=finding["severity"], version=version, text=finding["message"],
            seq=event.seq,
        )  # fmt: skip
    return tuple(rows[key] for key in sorted(rows))


def _cell(event: Event, finding: dict[str, Any]) -> Cell:
    return Cell(
        end=finding["window_end"], column=finding["column"] or "", statistic=finding["statistic"],
        value=finding["value"], low=finding["low"], high=finding["high"], severity=finding["severity"],
        importance=finding.get("importance"), slice=finding.get("slice"), since=finding.get("since"),
        text=finding["message"], seq=event.seq,
    )  # fmt: skip


def _columns(found: Sequence[tuple[Event, dict[str, Any]]], windows: Sequence[WindowRow]) -> tuple[ColumnRow, ...]:
    """Return the columns that moved, each with one cell per window (its worst), the model's output first."""
    known = {window.end: place for place, window in enumerate(windows)}
    table: dict[str, dict[int, Cell]] = {}
    for event, finding in found:
        place = known.get(finding["window_end"])
        about = finding["kind"] in ("drift", "data") and finding["column"] and not finding.get("slice")
        if not about or place is None:
            continue
        cells, cell = table.setdefault(finding["column"], {}), _cell(event, finding)
        if place not in cells or _rank(cell.severity) >= _rank(cells[place].severity):
            cells[place] = cell
    rows = [
        ColumnRow(
            name=name,
            cells=tuple(cells.get(place) for place in range(len(windows))),
            latest=cells[max(cells)],
            worst=max((cell.severity for cell in cells.values()), key=_rank),
            warned=sum(cell.severity != INFO for cell in cells.values()),
        )
        for name, cells in table.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.name != OUTPUT, -_rank(row.worst), -row.warned, row.name)))


def _slices(found: Sequence[tuple[Event, dict[str, Any]]]) -> tuple[Cell, ...]:
    cells = [_cell(event, finding) for event, finding in found if finding.get("slice") and finding["severity"] != INFO]
    return tuple(cells[::-1][:MOST_SLICES])


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity)


def _episodes(
    ws: Workspace, endpoint: str, found: Sequence[tuple[Event, dict[str, Any]]], start: str
) -> tuple[EpisodeRow, ...]:
    opened: dict[tuple[str, str], int] = {}
    for event in ledger.read(ws.db, kind="episode.opened", subject=f"endpoint:{endpoint}"):
        opened[event.payload["key"], event.payload["opened_at"]] = event.seq
    last = {_key(finding): finding["message"] for _, finding in found if finding["severity"] != INFO}
    rows = [
        EpisodeRow(
            key=episode.key, severity=episode.severity, opened_at=episode.opened_at, last_seen=episode.last_seen,
            open=episode.state == OPEN, text=last.get(episode.key, ""),
            seq=opened[episode.key, episode.opened_at],
        )
        for episode in store.all_episodes(ws.db, endpoint)
        if (episode.state == OPEN or episode.last_seen > start) and (episode.key, episode.opened_at) in opened
    ]  # fmt: skip
    rows.sort(key=lambda row: row.opened_at, reverse=True)
    return tuple(sorted(rows, key=lambda row: (not row.open, -_rank(row.severity))))


def _key(finding: dict[str, Any]) -> str:
    part = f"[{finding['slice']}]" if finding.get("slice") else ""
    return f"{finding['kind']}:{finding['column'] or finding['statistic']}{part}"


def _alerts(ws: Workspace, start: str) -> tuple[AlertRow, ...]:
    """Return the alerts of the period; each is an incident, numbered from the first one ever."""
    raised = [(number, event) for number, event in incidents(ws) if event.payload["at"] >= start]
    if not raised:
        return ()
    events = list(ledger.read(ws.db))
    rows = []
    for number, event in raised:
        told = event.payload
        moments = timeline_of(events, number).moments if number > raised[-1][0] - TIMELINES else ()
        rows.append(
            AlertRow(
                number=number, at=told["at"], severity=told["severity"], title=told["title"], text=told["text"],
                rise=told["rise"], channels=tuple(_took(events, told)), moments=moments, seq=event.seq,
            )
        )  # fmt: skip
    return tuple(rows[::-1])


def _took(events: Sequence[Event], told: Any) -> Iterable[str]:
    """Return the channels that took an alert."""
    key = outbox.key_of(told["key"], told["at"], told["severity"], told["rise"])
    return (e.payload["channel"] for e in events if e.kind == "alert.delivered" and e.payload["alert"] == key)


def _undelivered(ws: Workspace) -> tuple[str, ...]:
    lines = [
        f"{row['channel']}: given up after {row['attempts']} tries ({row['error']})" for row in outbox.given_up(ws.db)
    ]
    waiting = [item for item in outbox.pending(ws.db) if item.error]
    lines += [
        f"{item.channel}: “{item.alert.title}” waits after {item.attempts} tries ({item.error})" for item in waiting
    ]
    return tuple(lines)


def _decisions(events: Sequence[Event]) -> tuple[Decision, ...]:
    """Return what was decided, newest first. A trigger's decision says more than the event beside it, so it stands."""
    decided = {event.time for event in events if event.kind == "trigger.decided"}
    rows = [
        Decision(
            at=event.time,
            kind=event.kind,
            about=event.subject,
            text=sentence(event),
            version=event.payload.get("candidate"),
            seq=event.seq,
        )
        for event in events
        if event.kind.startswith(DECISIONS) and not (event.kind.startswith("training.") and event.time in decided)
    ]
    return tuple(rows[::-1])


def _trainings(events: Sequence[Event]) -> tuple[Training, ...]:
    """Return the runs of the period, what they took and what the gate said."""
    started = {event.subject: event for event in events if event.kind == "run.started"}
    ended = {event.subject: event for event in events if event.kind in ("run.succeeded", "run.failed")}
    verdicts = {event.subject: event for event in events if event.kind.startswith("verdict.")}
    versions = {event.payload["run"]: event for event in events if event.kind == "version.registered"}
    rows = []
    for subject, event in started.items():
        run, end, verdict = subject.partition(":")[2], ended.get(subject), verdicts.get(subject)
        seconds = None if end is None else end.observed.get("seconds")
        version = versions.get(run)
        rows.append(
            Training(
                run=run,
                at=event.time,
                asked_by=event.payload.get("reason", ""),
                seconds=sum(seconds.values()) if isinstance(seconds, dict) else None,
                verdict="" if verdict is None else verdict.kind.partition(".")[2],
                version=None if version is None else int(version.subject.rpartition("/")[2]),
                seq=event.seq,
            )
        )
    return tuple(rows[::-1])
