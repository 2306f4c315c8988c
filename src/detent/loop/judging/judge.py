"""Put a candidate before the gate: score the evaluation rows with it and the champion, then let the checks decide."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.bundle.sign import seal
from detent.gate import store
from detent.gate.binding import Binding
from detent.gate.evidence import Evidence, row_digests
from detent.gate.expected import expected_slices
from detent.gate.judge import judge
from detent.loop.champion import bundle_folder, champion_version
from detent.loop.classes import require_kind, truth_of
from detent.loop.judging.declared import with_declared
from detent.loop.judging.latency import asks_for_times, measure_latency
from detent.loop.judging.provenance import provenance_faults
from detent.loop.judging.side_by_side import Party
from detent.loop.judging.together import groups_of, lists_of, naive_of, rank_of
from detent.loop.judging.waivers import in_force, note_used
from detent.loop.runs.candidate import ELSEWHERE, Candidate
from detent.loop.runs.datasets import Datasets
from detent.loop.runs.reference import read_reference
from detent.loop.scores import predictor_of, score_rows
from detent.loop.workspace import Workspace
from detent.records.check import PASS, Verdict
from detent.records.event import Fact
from detent.records.version import ModelVersion

_AREA = {"multiclass": "roc_auc_ovr"}


def judge_candidate(ws: Workspace, candidate: Candidate, datasets: Datasets) -> Verdict:
    """Return the sealed verdict, stored and in the ledger.

    Raises:
        ProjectError: a check names a column or metric that does not exist.
    """
    return judge_against(ws, candidate, champion_version(ws), datasets)


def judge_against(ws: Workspace, candidate: Candidate, champion: ModelVersion | None, datasets: Datasets) -> Verdict:
    """Judge a candidate beside a version of one's own choice; sealed, stored and in the ledger like any verdict."""
    evidence = collect_evidence(ws, candidate, champion, datasets)
    binding = Binding(
        model_digest=candidate.digest,
        data_digest=candidate.data_digest,
        policy_digest=ws.project.policy_digest,
        champion_digest=champion.digest if champion else None,
    )
    answered_for = in_force(ws, candidate.digest)
    given = judge(
        ws.project.gate, evidence, binding=binding, now=ws.now(), waivers=answered_for, timer=time.perf_counter
    )
    verdict = seal(given, ws.key)
    fact = verdict_fact(ws, verdict, run=candidate.run, origin=candidate.origin, champion=champion)
    with ws.recording(fact) as tx:
        store.save(tx, verdict, ws.model, ws.now())
        note_used(tx, ws, verdict)
    return verdict


def collect_evidence(
    ws: Workspace, candidate: Candidate, champion: ModelVersion | None, datasets: Datasets
) -> Evidence:
    """Score and measure everything the checks may ask for.

    Raises:
        ProjectError: a line of the gate section names code or a column that is not there.
    """
    project, rows = ws.project, candidate.evaluation
    predictor = predictor_of(candidate.folder)
    inputs = tuple(field.name for field in candidate.signature.inputs)
    label = project.target.column
    key, when = _key_and_time(ws)
    shared = [name for name in (*inputs, label) if name in rows.columns and name in candidate.train.columns]
    evidence = Evidence(
        task=project.target.task,
        columns=rows.drop(label),
        inputs=inputs,
        y=truth_of(rows[label], project.target.classes),
        score=score_rows(predictor, rows, project.target.classes),
        classes=project.target.classes,
        champion=_champion_scores(ws, champion, rows),
        provenance=provenance_faults(ws, candidate, datasets),
        elsewhere=candidate.origin == ELSEWHERE,
        champion_at_gate=value_at_gate(ws, champion, _AREA.get(project.target.task, "roc_auc")) if champion else None,
        seed=project.simulate.seed,
        keys=rows[key] if key in rows.columns else None,
        train_keys=candidate.train[key] if key in candidate.train.columns else None,
        digests=row_digests(rows, shared),
        train_digests=row_digests(candidate.train, shared),
        train_time_max=_extreme(candidate.train, when, largest=True),
        eval_time_min=_extreme(rows, when, largest=False),
        allowed_inputs=candidate.allowed_inputs,
        latency_seconds=measure_latency(predictor, rows) if asks_for_times(project.gate) else None,
        bundle_bytes=candidate.bytes,
        candidates=rank_of(ws, candidate),
        groups=groups_of(ws, rows),
        lists=lists_of(ws, rows),
        naive=naive_of(ws, candidate),
        expected_slices=expected_slices(
            project.gate_plan.expect, store.load(ws.db, champion.verdict) if champion else None
        ),
        min_slice=project.gate_plan.min_slice,
    )
    ours = Party(predictor=predictor, folder=candidate.folder)
    return with_declared(evidence, ws, candidate, datasets, ours=ours, theirs=_party(ws, champion))


def value_at_gate(ws: Workspace, version: ModelVersion, metric: str) -> float | None:
    """Return a metric's value on the rows that the gate judged the version on; None when nobody measured it."""
    measured = read_reference(bundle_folder(ws, version)).metric(metric)
    if measured is not None:
        return measured.value
    results = store.load(ws.db, version.verdict).results
    found = [result for result in results if result.kind == "threshold" and result.check.split()[0] == metric]
    return found[0].value if found else None


def _champion_scores(ws: Workspace, champion: ModelVersion | None, rows: pl.DataFrame) -> NDArray[np.float64] | None:
    if champion is None:
        return None
    predictor, target = predictor_of(bundle_folder(ws, champion)), ws.project.target
    fix = "the two can't be compared: give the new task a project of its own"
    require_kind(target, predictor.signature, f"the champion, version {champion.number},", fix=fix)
    return score_rows(predictor, rows, target.classes)


def _party(ws: Workspace, champion: ModelVersion | None) -> Party | None:
    if champion is None:
        return None
    folder = bundle_folder(ws, champion)
    return Party(predictor=predictor_of(folder), folder=folder)


def _key_and_time(ws: Workspace) -> tuple[str, str]:
    source = ws.project.source(ws.project.features.rows)
    return str(source.key), str(source.time)


def _extreme(frame: pl.DataFrame, column: str, *, largest: bool) -> datetime | None:
    if column not in frame.columns:
        return None
    found = frame[column].max() if largest else frame[column].min()
    return found if isinstance(found, datetime) else None


def verdict_fact(ws: Workspace, verdict: Verdict, *, run: str, origin: str, champion: ModelVersion | None) -> Fact:
    """Say what the gate said, about which run: the subject by which a candidate is followed through the ledger."""
    fact = store.fact(verdict, model=ws.model, actor=ws.actor)
    about = {"origin": origin, "champion": str(champion) if champion else None}
    seconds = round(sum(result.seconds for result in verdict.results), 3)
    return replace(
        fact,
        subject=f"run:{run}",
        payload={**fact.payload, **about},
        observed={**fact.observed, "seconds": seconds},
    )


def is_pass(verdict: Verdict) -> bool:
    """True only for a pass: inconclusive is never success."""
    return verdict.decision == PASS
