"""MLflow shows what the ledger knows: runs, versions, aliases. A copy for people's tools, no source of decisions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from detent.errors import StoreError
from detent.gate import store as verdicts
from detent.loop import places
from detent.loop.champion import bundle_folder
from detent.loop.runs.candidate import Candidate
from detent.loop.workspace import Workspace
from detent.records.check import Check, Verdict
from detent.records.event import Event, Fact
from detent.records.run import Run
from detent.records.version import ModelVersion
from detent.registry import aliases, versions
from detent.store import ledger
from detent.tracking.mlflow import Mirrored, MlflowTracker

TRACKED, FAILED = "run.tracked", "mirror.failed"


@cache
def tracker(state: Path) -> MlflowTracker:
    """Return the one tracker of a state folder in this process; opening MLflow's database takes seconds."""
    return MlflowTracker(state)


def mirror_run(ws: Workspace, run: Run, candidate: Candidate, verdict: Verdict) -> None:
    """Log a run with its parameters, the gate's numbers and the bundle."""
    _log_run(ws, run.id, candidate.origin, candidate.folder, verdict)


def mirror_version(ws: Workspace, version: ModelVersion) -> None:
    """Register the version in MLflow under the same number."""
    with _mirroring(ws, f"version:{version}"):
        tracker(ws.state).mirror_version(version.model, version.number, bundle_folder(ws, version), version.run)


def mirror_aliases(ws: Workspace) -> None:
    """Bring MLflow's aliases in line with ours."""
    with _mirroring(ws, f"model:{ws.model}"):
        tracker(ws.state).reconcile_aliases(ws.model, aliases.all_current(ws.db, ws.model))


def mend(ws: Workspace) -> None:
    """Bring MLflow in line with us: what a crash or a full disk left undone is done here."""
    for run, made, verdict in _unlogged(ws):
        folder = places.bundles(ws.state) / made.payload["bundle"]
        if not _log_run(ws, run, made.payload["origin"], folder, verdict):
            return  # it still can't be written, and was said so
    known = [
        Mirrored(number=version.number, folder=bundle_folder(ws, version), run=version.run)
        for version in versions.all_versions(ws.db, ws.model)
    ]
    with _mirroring(ws, f"model:{ws.model}"):
        tracker(ws.state).reconcile(ws.model, known, aliases.all_current(ws.db, ws.model))


@contextmanager
def _mirroring(ws: Workspace, subject: str) -> Iterator[None]:
    """Go on when MLflow can't be written, and say so in the ledger: a copy must not fail what it copies."""
    try:
        yield
    except (StoreError, OSError) as error:
        what, why = (
            (error.what, error.why) if isinstance(error, StoreError) else ("MLflow could not be written", str(error))
        )
        ws.record(Fact(kind=FAILED, subject=subject, actor=ws.actor, observed={"error": what, "why": why}))


def _log_run(ws: Workspace, run: str, origin: str, folder: Path, verdict: Verdict) -> bool:
    """Log a run and write down its name in MLflow; False when MLflow could not be written."""
    names = {check.text: _metric_name(check) for check in ws.project.gate}
    metrics = {
        names.get(result.check, result.kind): result.value for result in verdict.results if result.value is not None
    }
    mlflow_run = None
    with _mirroring(ws, f"run:{run}"):
        mlflow_run = tracker(ws.state).log_run(
            run,
            params={name: str(value) for name, value in ws.project.params},
            metrics=metrics,
            tags={"detent.verdict": verdict.decision, "detent.reason": verdict.reason, "detent.origin": origin},
            artifacts=folder,
            now=ws.now(),
        )
    if mlflow_run is None:
        return False
    ws.record(Fact(kind=TRACKED, subject=f"run:{run}", actor=ws.actor, observed={"mlflow_run": mlflow_run}))
    return True


def _unlogged(ws: Workspace) -> Iterator[tuple[str, Event, Verdict]]:
    """Yield the judged runs that MLflow could not be told about, each with its candidate and verdict."""
    tracked = {event.subject for event in ledger.read(ws.db, kind=TRACKED)}
    failed = dict.fromkeys(event.subject for event in ledger.read(ws.db, kind=FAILED) if event.subject not in tracked)
    for subject in (name for name in failed if name.startswith("run:")):
        made = next(ledger.read(ws.db, kind="candidate.made", subject=subject))
        judged = next(ledger.read(ws.db, kind="verdict", subject=subject))
        yield subject.removeprefix("run:"), made, verdicts.load(ws.db, judged.payload["verdict"])


def _metric_name(check: Check) -> str:
    """Return the name of what a check measures: `roc_auc`, `roc_auc_gain_over_champion`, `roc_auc_gap_by_origin`."""
    suffix = {"versus": "_gain_over_champion", "latency": "_seconds", "permuted": "_permuted"}
    suffix |= {"size": "_bytes", "memory": "_bytes"}
    if check.by is not None:
        return f"{check.metric}_{check.kind}_by_{check.by}"
    about = "".join(f"_{name}_{value}" for name, value in check.arguments[:1])  # as `_missing_humid`
    beside = "_beside_champion" if check.against and check.kind != "versus" else ""
    return check.metric + about + suffix.get(check.kind, "") + beside
