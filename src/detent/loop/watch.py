"""Look at windows of what was served: drift and failures at once, quality when the labels are in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from detent.bundle.codec import profile_from_json, signature_from_json
from detent.loop.judge import bundle_folder, champion_version, value_at_gate
from detent.loop.notify import notify
from detent.loop.workspace import Workspace
from detent.monitor import quality, store
from detent.monitor.detect import detect
from detent.predictions import join, labels_of, places, read, seal
from detent.predictions.frames import expand_inputs
from detent.records.event import Fact
from detent.records.finding import INFO, SEVERITIES, Finding
from detent.records.log import KEEP
from detent.records.profile import Profile
from detent.records.signature import Signature
from detent.records.version import ModelVersion
from detent.statistics.summaries import summarise
from detent.store import ledger
from detent.store.clock import iso, parse

TRAFFIC, QUALITY = "traffic", "quality"
OUTPUT = "prediction"
MOST = 0.8  # share of a window's requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A span of prediction times, start <= time < end, and what is looked at."""

    what: str  # "traffic": inputs, outputs, failures; "quality": answers against labels
    start: datetime
    end: datetime


def due_windows(ws: Workspace) -> list[Window]:
    """Return the windows that ended and were not looked at yet, in order. Quality waits for its labels."""
    plan = ws.project.monitor
    due = []
    for what, delay in ((TRAFFIC, timedelta(0)), (QUALITY, plan.labels_within)):
        start = _watched_until(ws, what)
        while start is not None and start + plan.window + delay <= ws.now():
            due.append(Window(what=what, start=start, end=start + plan.window))
            start += plan.window
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
    plan = ws.project.monitor
    for what in (TRAFFIC, QUALITY):
        start = _watched_until(ws, what)
        if start is None or start + 2 * plan.window > ws.now():
            continue
        seal(places.segments(ws.state), places.parquet(ws.state))
        days = places.days(places.parquet(ws.state), since=start.date())
        first = min((datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days), default=None)
        if first is None:
            rows = read(ws.state, since=start)
            first = rows["time"][0] if rows.height else ws.now()
        idle = (first - start) // plan.window
        if idle > 0:
            ws.record(_skipped(ws, what, start, start + idle * plan.window))


def _skipped(ws: Workspace, what: str, start: datetime, end: datetime) -> Fact:
    return Fact(
        kind="window.watched",
        subject=f"{what}:{ws.project.serving.endpoint}",
        actor=ws.actor,
        payload={
            "what": what,
            "start": iso(start),
            "end": iso(end),
            "rows": 0,
            "severity": INFO,
            "drift": 0.0,
            "drift_severity": INFO,
            "reason": "nothing was served",
        },
    )


def watch(ws: Workspace, window: Window) -> list[Finding]:
    """Judge one window; findings, episodes and alerts are stored together, then the alerts are sent."""
    endpoint = ws.project.serving.endpoint
    champion = champion_version(ws)
    seal(places.segments(ws.state), places.parquet(ws.state))
    # Ids differ between runs with the same seed; time and entity don't, and the order decides what a bootstrap draws.
    rows = read(ws.state, since=window.start, until=window.end).sort("time", "entity", "arm", "version")
    rows = rows.filter(pl.col("endpoint") == endpoint)
    found = []
    if champion is not None:
        found = _traffic(ws, champion, rows, window) if window.what == TRAFFIC else _quality(ws, champion, rows, window)
    with ws.db.transaction() as tx:
        number = champion.number if champion else None
        store.save_findings(tx, found, endpoint=endpoint, version=number, actor=ws.actor, now=ws.now())
        ledger.append(tx, _watched(ws, window, rows, found), ws.now())
        notify(ws, tx, found, kinds=("drift", "errors") if window.what == TRAFFIC else ("quality", "labels"))
    return found


def _traffic(ws: Workspace, champion: ModelVersion, rows: pl.DataFrame, window: Window) -> list[Finding]:
    live = rows.filter(pl.col("arm") == "live")
    span = quality.Window(start=iso(window.start), end=iso(window.end), coverage=0.0)
    errors = quality.error_findings(
        requests=live.height, errors=live.filter(pl.col("status") != "ok").height, window=span
    )
    folder = bundle_folder(ws, champion)
    reference = profile_from_json((folder / "profile.json").read_bytes())
    signature = signature_from_json((folder / "signature.json").read_bytes())
    masked = {name for name, rule in ws.project.serving.log.fields if rule != KEEP}  # null in the log, and no drift
    seen = replace(signature, inputs=tuple(field for field in signature.inputs if field.name not in masked))
    current = _profile(live, champion.number, seen, reference)
    known = {column.name for column in current.columns}
    comparable = replace(reference, columns=tuple(column for column in reference.columns if column.name in known))
    return errors + detect(comparable, current, window_start=span.start, window_end=span.end)


def _profile(live: pl.DataFrame, champion: int, signature: Signature, reference: Profile) -> Profile:
    """Summarise what was asked, whoever answered, and what the champion answered.

    Arms are chosen at random, so all requests tell about the inputs; the champion's own would cover only a part of a
    window in which it was promoted, and a weekend less looks like drift. For the same reason its answers count only if
    it gave most of them.
    """
    inputs = [(field.name, field.kind) for field in signature.inputs]
    asked = summarise(expand_inputs(live, signature).to_dict(as_series=False), inputs, like=reference)
    own = live.filter((pl.col("version") == champion) & (pl.col("status") == "ok"))
    if own.height < MOST * live.height:
        return asked
    given = summarise({OUTPUT: own["score"].to_list()}, [(OUTPUT, "number")], like=reference)
    return replace(asked, columns=(*asked.columns, *given.columns))


def _quality(ws: Workspace, champion: ModelVersion, rows: pl.DataFrame, window: Window) -> list[Finding]:
    answers = served(rows)
    if answers.is_empty():
        return []
    joined = join(answers, labels_of(ws.db, answers["id"]), now=ws.now())
    labelled = joined.filter(pl.col("label").is_not_null())
    span = quality.Window(
        start=iso(window.start), end=iso(window.end), coverage=labelled.height / max(1, joined.height)
    )
    late = quality.coverage_findings(labelled=labelled.height, answered=joined.height, due=True, window=span)
    if labelled.is_empty():
        return late
    return late + quality.quality_findings(
        labelled["label"].to_numpy(),
        labelled["answer"].to_numpy(),
        metric=ws.project.monitor.quality,
        floor=ws.project.monitor.floor,
        reference_value=value_at_gate(ws, champion, ws.project.monitor.quality),
        window=span,
        seed=ws.project.simulate.seed,
    )


def served(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one row per answered prediction, with the score that its caller got as `answer`.

    That is the chosen version's score, or the fallback's where that one stepped in.
    """
    chosen = rows.filter(pl.col("arm") == "live").with_columns(answer=pl.col("score"))
    stepped_in = rows.filter(pl.col("arm") == "fallback").select("id", fallback_score="score")
    return (
        chosen.join(stepped_in, on="id", how="left", maintain_order="left")
        .with_columns(answer=pl.coalesce("answer", "fallback_score"))
        .drop("fallback_score")
        .filter(pl.col("answer").is_not_null())
    )


def worst(findings: Sequence[Finding]) -> str:
    """Return the highest severity; INFO when there is nothing."""
    return max((finding.severity for finding in findings), key=SEVERITIES.index, default=INFO)


def _watched_until(ws: Workspace, what: str) -> datetime | None:
    """Return where the next window of a kind begins; None before the first champion."""
    last = ledger.last(ws.db, "window.watched", f"{what}:{ws.project.serving.endpoint}")
    if last is not None:
        return parse(last.payload["end"])
    first = next(iter(ledger.read(ws.db, kind="rollout.promoted")), None)
    return None if first is None else parse(first.time)


def _watched(ws: Workspace, window: Window, rows: pl.DataFrame, found: Sequence[Finding]) -> Fact:
    drift = [finding for finding in found if finding.kind == "drift" and finding.statistic == "psi"]
    return Fact(
        kind="window.watched",
        subject=f"{window.what}:{ws.project.serving.endpoint}",
        actor=ws.actor,
        payload={
            "what": window.what,
            "start": iso(window.start),
            "end": iso(window.end),
            "rows": rows.filter(pl.col("arm") == "live").height,
            "severity": worst(found),
            "drift": round(max((finding.value for finding in drift), default=0.0), 6),
            "drift_severity": worst(drift),
        },
    )
