"""MLflow shows what the ledger knows: runs, versions, aliases. A copy for people's tools, no source of decisions."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from detent.loop.candidate import Candidate
from detent.loop.judge import bundle_folder
from detent.loop.workspace import Workspace
from detent.records.check import Check, Verdict
from detent.records.event import Fact
from detent.records.run import Run
from detent.records.version import ModelVersion
from detent.registry import aliases, versions
from detent.tracking.mlflow import Mirrored, MlflowTracker


@cache
def tracker(state: Path) -> MlflowTracker:
    """Return the one tracker of a state folder in this process; opening MLflow's database takes seconds."""
    return MlflowTracker(state)


def mirror_run(ws: Workspace, run: Run, candidate: Candidate, verdict: Verdict) -> None:
    """Log a run with its parameters, the gate's numbers and the bundle."""
    names = {check.text: _metric_name(check) for check in ws.project.gate}
    metrics = {
        names.get(result.check, result.kind): result.value for result in verdict.results if result.value is not None
    }
    mlflow_run = tracker(ws.state).log_run(
        run.id,
        params={name: str(value) for name, value in ws.project.params},
        metrics=metrics,
        tags={"detent.verdict": verdict.decision, "detent.reason": verdict.reason, "detent.origin": candidate.origin},
        artifacts=candidate.folder,
        now=ws.now(),
    )
    ws.record(Fact(kind="run.tracked", subject=f"run:{run.id}", actor=ws.actor, observed={"mlflow_run": mlflow_run}))


def mirror_version(ws: Workspace, version: ModelVersion) -> None:
    """Register the version in MLflow under the same number."""
    tracker(ws.state).mirror_version(version.model, version.number, bundle_folder(ws, version), version.run)


def mirror_aliases(ws: Workspace) -> None:
    """Bring MLflow's aliases in line with ours."""
    tracker(ws.state).reconcile_aliases(ws.model, aliases.all_current(ws.db, ws.model))


def mend(ws: Workspace) -> None:
    """Bring MLflow's versions and aliases in line with ours: what a crash left undone is done here."""
    known = [
        Mirrored(number=version.number, folder=bundle_folder(ws, version), run=version.run)
        for version in versions.all_versions(ws.db, ws.model)
    ]
    tracker(ws.state).reconcile(ws.model, known, aliases.all_current(ws.db, ws.model))


def _metric_name(check: Check) -> str:
    """Return the name of what a check measures: `roc_auc`, `roc_auc_gain_over_champion`, `roc_auc_gap_by_origin`."""
    suffix = {"versus": "_gain_over_champion", "gap": f"_gap_by_{check.by}", "size": "_bytes", "latency": "_seconds"}
    return check.metric + suffix.get(check.kind, "")
