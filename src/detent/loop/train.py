"""From data to a registered version: ingest, run the pipeline, judge, register."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from detent.errors import DetentError
from detent.gate import store as verdicts
from detent.loop.champion import champion_version
from detent.loop.cost import cost_fact
from detent.loop.judging.judge import is_pass, judge_candidate
from detent.loop.judging.waivers import lapsed
from detent.loop.lineage.checkout import checkout_fact
from detent.loop.lineage.openlineage import emit
from detent.loop.runs.candidate import Candidate, Parts, make_candidate
from detent.loop.runs.datasets import Datasets, feature_columns, ingest_all
from detent.loop.runs.mirror import mirror_run, mirror_version
from detent.loop.runs.slices import check_slices
from detent.loop.runs.steps import run_steps, silent
from detent.loop.workspace import PipelineWorkspace, Workspace
from detent.pipeline.executors.protocol import Executor
from detent.pipeline.run import Order, RunResult
from detent.pipeline.schedule import How, Progress
from detent.predictions import labels
from detent.records.check import Verdict
from detent.records.event import Fact
from detent.records.run import Run, RunRequest
from detent.records.version import ModelVersion
from detent.registry import versions
from detent.store import ledger
from detent.store.lock import awaited_lock
from detent.training import Model
from detent.trigger import store as triggers


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a training: a run, and as far as it came, a candidate, its verdict and its version."""

    run: Run
    candidate: Candidate | None = None
    verdict: Verdict | None = None
    version: ModelVersion | None = None  # None: the gate did not let it in, so it was not registered
    judged_in: str | None = None  # run that made and judged this very candidate before; None: it is new
    datasets: Datasets | None = None


def train(
    ws: Workspace, request: RunRequest, *, executor: Executor, progress: Progress | None = None, how: How | None = None
) -> Outcome:
    """Train on everything known now, judge the candidate, and register it if the gate lets it in.

    Raises:
        DetentError: bad data, a broken contract, an invalid pipeline; the failure is in the ledger. A step that fails
            is no exception: the outcome's run says so.
    """
    run_id = begin_run(ws, request)
    try:
        order = Order(request=request, how=how or How(), progress=progress or silent)
        return _train(ws, run_id, executor=executor, order=order)
    finally:
        emit(ws)


def _train(ws: Workspace, run_id: str, *, executor: Executor, order: Order) -> Outcome:
    try:
        datasets = ingest_all(ws, ws.now())
        check_slices(ws, datasets.frames)
        result = run_steps(ws, datasets.snapshots, run_id=run_id, executor=executor, order=order)
    except DetentError as error:
        ws.record(_failed(ws, run_id, {"error": error.what, "why": error.why}))
        raise
    counted = cost_fact(ws, run_id)
    if counted is not None:
        ws.record(counted)
    if result.run.state != "succeeded":
        broken = next(step for step in result.run.steps if step.outcome == "failed")
        ws.record(_failed(ws, run_id, {"step": broken.step, "error": broken.error}))
        return Outcome(run=result.run, datasets=datasets)
    ws.record(_succeeded(ws, result.run))
    with awaited_lock(ws.state / "judging.lock"):  # two runs at once make one candidate, not two of the same
        known = _judged_before(ws, result)
        if known is not None:
            return replace(known, datasets=datasets)
        candidate = make_candidate(
            ws, parts_of(result), run=run_id, origin="pipeline", allowed=feature_columns(ws, datasets.frames)
        )
        ws.record(candidate_fact(ws, candidate, _made_of(result)))
        verdict, version = submit(ws, candidate, datasets)
        mirror_run(ws, result.run, candidate, verdict)
        if version is not None:
            mirror_version(ws, version)
    return Outcome(run=result.run, candidate=candidate, verdict=verdict, version=version, datasets=datasets)


def submit(ws: Workspace, candidate: Candidate, datasets: Datasets) -> tuple[Verdict, ModelVersion | None]:
    """Put a candidate before the gate and register it if it passes. There is no other way into the registry."""
    verdict = judge_candidate(ws, candidate, datasets)
    return verdict, register(ws, candidate, verdict) if is_pass(verdict) else None


def register(ws: Workspace, candidate: Candidate, verdict: Verdict) -> ModelVersion:
    """Put a candidate into the registry, which looks at the verdict itself.

    Raises:
        RefusedError: the verdict does not pass, is about another bundle, or is not sealed by this project's key.
    """
    with ws.db.transaction() as tx:
        return versions.register(
            tx,
            model=ws.model,
            digest=candidate.digest,
            verdict=verdict,
            run=candidate.run,
            origin=candidate.origin,
            now=ws.now(),
            public=ws.public_key,
        )


def _judged_before(ws: Workspace, result: RunResult) -> Outcome | None:
    """Return the outcome of the run that made the same model from the same rows, if its verdict still stands.

    It stands while the gate's checks and the champion are the same, or when that candidate is the champion by now.
    """
    made_of, champion = _made_of(result), champion_version(ws)
    for made in reversed(list(ledger.read(ws.db, kind="candidate.made"))):
        if any(made.payload.get(name) != digest for name, digest in made_of.items()):
            continue
        told = list(ledger.read(ws.db, kind="verdict", subject=made.subject))
        if not told:
            return None  # the run was killed before the gate spoke
        verdict = verdicts.load(ws.db, told[-1].payload["verdict"])
        version = versions.find(ws.db, ws.model, made.payload["bundle"])
        is_champion = champion is not None and champion.digest == made.payload["bundle"]
        same_champion = verdict.champion_digest == (champion.digest if champion else None)
        if verdict.policy_digest != ws.project.policy_digest or not (is_champion or same_champion):
            return None
        if is_pass(verdict) and (version is None or lapsed(ws, verdict)):
            return None  # killed between the gate and the registry, or nobody answers for it any more
        return Outcome(run=result.run, verdict=verdict, version=version, judged_in=made.subject.removeprefix("run:"))
    return None


def _made_of(result: RunResult) -> dict[str, str]:
    return {name: result.outputs[name].digest for name in ("model", "train", "evaluation")}


def candidate_fact(ws: Workspace, candidate: Candidate, parts: Mapping[str, str]) -> Fact:
    """Say what a run made; `parts` are the digests of the stored model, training rows and evaluation rows."""
    return Fact(
        kind="candidate.made",
        subject=f"run:{candidate.run}",
        actor=ws.actor,
        payload={
            "bundle": candidate.digest,
            "origin": candidate.origin,
            "train_rows": candidate.train.height,
            "evaluation_rows": candidate.evaluation.height,
            "allowed_inputs": sorted(candidate.allowed_inputs),
            **parts,
        },
    )


def begin_run(ws: Workspace, request: RunRequest) -> str:
    """Number the run and write down that it starts, in one transaction: two at once get two numbers."""
    checkout = checkout_fact(ws.folder)  # it asks git, which takes longer than a transaction should
    with ws.db.transaction() as tx:
        number = 1 + ledger.count_by_kind(tx).get("run.started", 0)
        run_id = f"run-{number:04d}"
        fact = Fact(
            kind="run.started",
            subject=f"run:{run_id}",
            actor=ws.actor,
            payload={"pipeline": ws.project.pipeline, "reason": request.reason, "detail": request.detail},
            observed=checkout,
        )
        ledger.append(tx, fact, ws.now())
        triggers.training_started(
            tx, ws.model, run=run_id, reason=request.reason, labelled_rows=labels.count(tx), now=ws.now()
        )
    return run_id


def parts_of(result: RunResult) -> Parts:
    """Return what the candidate of a run is made of."""
    outputs = result.outputs
    return Parts(
        model=result.value("model", Model),
        train=result.value("train", pl.DataFrame),
        evaluation=result.value("evaluation", pl.DataFrame),
        train_digest=outputs["train"].digest,
        evaluation_digest=outputs["evaluation"].digest,
        code_digest=result.code_digest,
    )


def _succeeded(ws: Workspace, run_record: Run) -> Fact:
    return Fact(
        kind="run.succeeded",
        subject=f"run:{run_record.id}",
        actor=ws.actor,
        payload={"steps": {step.label: step.outcome for step in run_record.steps}},
        observed={"seconds": {step.label: round(step.seconds, 3) for step in run_record.steps}},
    )


def _failed(ws: Workspace, run_id: str, payload: dict[str, object]) -> Fact:
    return Fact(kind="run.failed", subject=f"run:{run_id}", actor=ws.actor, payload=payload)


def log_folder(ws: PipelineWorkspace, run_id: str) -> Path:
    """Return where the steps' captured output lies."""
    return ws.state / "runs" / run_id
