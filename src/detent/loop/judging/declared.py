"""The evidence that costs time: collected only where a line of the gate section asks for it."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from detent.gate.declared import Stressed
from detent.gate.evidence import Evidence
from detent.loop.classes import in_order
from detent.loop.judging.controls import permuted, touches
from detent.loop.judging.growth import grown
from detent.loop.judging.own_code import own_code
from detent.loop.judging.side_by_side import Party, measure
from detent.loop.judging.stress import stress
from detent.loop.runs.candidate import Candidate
from detent.loop.runs.datasets import Datasets
from detent.loop.workspace import Workspace
from detent.records.project import Project


def with_declared(
    evidence: Evidence, ws: Workspace, candidate: Candidate, datasets: Datasets, *, ours: Party, theirs: Party | None
) -> Evidence:
    """Return the evidence with what the lines ask for; `ours` and `theirs` are the candidate and the champion, opened.

    Raises:
        ProjectError: a line names code that can't be imported, or a column that is not there.
    """
    project, rows = ws.project, candidate.evaluation
    seed = project.simulate.seed
    return replace(
        evidence,
        own=own_code(ws),
        touch=touches(ws, candidate, datasets),
        permuted=permuted(ws, candidate, datasets),
        beside=measure(ours, theirs, rows, project.gate, prices=project.prices, seed=seed),
        growth=grown(ours, theirs, rows),
        stressed=_stressed(project, ours, rows),
    )


def _stressed(project: Project, ours: Party, rows: pl.DataFrame) -> Stressed | None:
    time = str(project.source(project.features.rows).time)
    found = stress(
        ours.predictor, rows, project.gate, seed=project.simulate.seed, time=time, entity=project.features.entity
    )
    classes = project.target.classes
    if found is None or not classes:
        return found
    had = ours.predictor.signature.classes
    return replace(found, scores={case: in_order(score, had, classes) for case, score in found.scores.items()})
