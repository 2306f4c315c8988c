"""Everything that a project needs: registered models with all they came from, kept versions of data, recent work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from detent.data.versions import moving, store
from detent.data.versions.marks import Marks
from detent.data.versions.retention import Retention, kept
from detent.data.versions.store import root_of
from detent.data.versions.version import Version
from detent.errors import StoreError, TamperedError
from detent.loop.workspace import PipelineWorkspace
from detent.store import ledger
from detent.store.clock import iso
from detent.store.database import Reader
from detent.store.queries import load_queries

MADE = "candidate.made"
_SQL = load_queries("detent.loop.collect")


def mark_needed(ws: PipelineWorkspace, marks: Marks, rule: Retention, now: datetime) -> None:
    """Mark every blob that the project needs, most important reasons first.

    Raises:
        StoreError: a document that names blobs can't be read.
    """
    since = iso(now - timedelta(days=rule.run_days))
    made = {event.subject.removeprefix("run:"): event.payload for event in ledger.read(ws.db, kind=MADE)}
    _models(ws.db, marks, made)
    _unfinished(ws, marks)
    _data(ws, marks, rule, now)
    _runs(ws.db, marks, since, rule)
    _work(ws, marks, since)


def _models(db: Reader, marks: Marks, made: Mapping[str, Mapping[str, Any]]) -> None:
    """Registered versions: the bundle, the verdict's evidence, and the run with its data, steps and graph."""
    runs = {row["id"]: row for row in db.rows(_SQL["runs"])}
    for row in db.rows(_SQL["versions"]):
        reason = f"model {row['model']}/{row['number']}"
        verdict = db.row(_SQL["verdict"], id=row["verdict"]) or {}
        _mark(marks, reason, row, verdict, made.get(row["run"], {}), runs.get(row["run"], {}))
        _steps(db, marks, row["run"], reason)


def _unfinished(ws: PipelineWorkspace, marks: Marks) -> None:
    for move in moving.unfinished(ws.state):
        marks.text(move.manifest, f"unfinished move of {move.place}")


def _data(ws: PipelineWorkspace, marks: Marks, rule: Retention, now: datetime) -> None:
    for name in store.datasets(ws.db):
        history = store.history(ws.db, name)
        reasons = kept(history, store.tags(ws.db, name), rule=rule, now=now)
        for version in {version.id: version for version in history}.values():
            if version.id in reasons and ws.blobs.has(version.id):
                _version(ws, marks, version, reasons[version.id])


def _version(ws: PipelineWorkspace, marks: Marks, version: Version, reason: str) -> None:
    marks.mark(version.id, reason)
    try:
        marks.tree(root_of(version, ws.blobs), reason)
    except (StoreError, TamperedError) as error:
        raise StoreError(
            what=f"nobody knows what {version} needs",
            why=f"{error.what}: {error.why}",
            fix="restore it from a backup, or let the version go with --keep-last or --keep-days",
            where=error.where,
        ) from error


def _runs(db: Reader, marks: Marks, since: str, rule: Retention) -> None:
    reason = f"runs of the last {rule.run_days:g} days"
    for row in db.rows(_SQL["runs"]):
        if row["started_at"] >= since or row["state"] == "running":
            _mark(marks, reason, row)
            _steps(db, marks, row["id"], reason)
    for event in ledger.read(db, kind=MADE, since=since):
        _mark(marks, f"candidates of the last {rule.run_days:g} days", event.payload)
    for event in ledger.read(db, kind="data.ingested", since=since):
        _mark(marks, reason, event.payload)


def _work(ws: PipelineWorkspace, marks: Marks, since: str) -> None:
    """What is no run's: the cache, checkpoints, checks, what is known of sources, the plan of the last run."""
    for query, reason in (
        ("entries_since", "cached results"),
        ("checkpoints", "checkpoints of unfinished steps"),
        ("sources", "last read of sources outside"),
        ("checks", "checks of data"),
        ("parcels", "answers on their way to other hosts"),
    ):
        for row in ws.db.rows(_SQL[query], **({"since": since} if ":since" in _SQL[query] else {})):
            _mark(marks, reason, row)
    for path in sorted(ws.state.glob("*.json")):
        marks.text(path.read_text(encoding="utf-8", errors="replace"), f"{path.name} of the last run")


def _steps(db: Reader, marks: Marks, run: str, reason: str) -> None:
    for row in db.rows(_SQL["steps"], run=run):
        _mark(marks, reason, row)


def _mark(marks: Marks, reason: str, *rows: Mapping[str, Any]) -> None:
    for row in rows:
        marks.text(json.dumps(dict(row), default=str), reason)
