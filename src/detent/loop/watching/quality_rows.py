"""Who answered in a window, what callers got, and what each version is held against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from detent.loop.champion import bundle_folder
from detent.loop.classes import classes_in, logged_scores
from detent.loop.judging.judge import value_at_gate
from detent.loop.runs.reference import read_reference
from detent.loop.watching.granules import layout_for
from detent.loop.workspace import Workspace
from detent.monitor.budget import Budget, shares
from detent.monitor.measured import Standard
from detent.predictions import places, read, seal
from detent.predictions.answers import COLUMNS, answered
from detent.predictions.frames import expand_inputs
from detent.records.version import ModelVersion
from detent.registry import versions
from detent.statistics import cbpe
from detent.statistics.cbpe_classes import Sums, add_up
from detent.statistics.granules import Granule, count
from detent.statistics.layout import Layout
from detent.statistics.reference import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A version that answered."""

    version: ModelVersion
    reference: Reference
    at_gate: float | None  # the followed metric when the gate judged it; None: unknown


def known_of(ws: Workspace, number: int) -> Known | None:
    """Return what is known of a version; None for one that is not registered, or whose bundle is not here any more."""
    version = next((one for one in versions.all_versions(ws.db, ws.model) if one.number == number), None)
    folder = None if version is None else bundle_folder(ws, version)
    if version is None or folder is None or not folder.is_dir():
        return None
    reference, metric = _reference(folder), ws.project.monitor.quality
    measured = reference.metric(metric)
    at_gate = measured.value if measured is not None else value_at_gate(ws, version, metric)
    return Known(version=version, reference=reference, at_gate=at_gate)


@lru_cache(maxsize=8)
def _reference(folder: Path) -> Reference:
    """Read a reference once; a bundle's folder is named by its content."""
    return read_reference(folder)


def standard_of(ws: Workspace, known: Known, alpha: float) -> Standard:
    """Return what the windows of a version are held against; `alpha`: chance of a false alarm."""
    plan = ws.project.monitor
    return Standard(
        metric=plan.quality, floor=plan.floor, at_gate=known.at_gate, alpha=alpha,
        calibrator=known.reference.calibrator, seed=ws.project.simulate.seed,
    )  # fmt: skip


def budget_of(ws: Workspace) -> Budget:
    """Return how often chance may alarm."""
    plan = ws.project.monitor
    return shares(plan.drift.false_alarms, plan.window, plan.drift.scales)


def answers_of(ws: Workspace, start: datetime, end: datetime) -> pl.DataFrame:
    """Return what callers got in a window: id, time, by, answer, scores (of several classes, else null)."""
    seal(places.segments(ws.state), places.parquet(ws.state))
    mine = pl.col("endpoint") == ws.project.serving.endpoint
    rows = read(ws.state, start, end, columns=(*COLUMNS, "scores"), where=mine)
    # Ids differ between runs with the same seed; time and entity don't, and the order decides what a bootstrap draws.
    return answered(rows.sort("time", "entity", "arm", "version")).select("id", "time", "by", "answer", "scores")


def by_version(answers: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield the answers of each version, of the one with most answers first."""
    sizes = answers.group_by("by").len().sort("len", "by", descending=[True, False])
    for version in sizes["by"].to_list():
        yield int(version), answers.filter(pl.col("by") == version)


def added_up(ws: Workspace, known: Known, answers: pl.DataFrame) -> Sums | None:
    """Return what the probabilities of several classes promise, added up; None where the model gives others.

    An answer without probabilities, such as that of a rule, is left out.

    Args:
        ws: the project.
        known: the version that gave them.
        answers: `answers_of` one window.
    """
    if known.reference.chances is None:
        return None
    classes = classes_in(bundle_folder(ws, known.version))
    score = logged_scores(answers["scores"], classes, classes)
    return add_up(score[np.isfinite(score).all(axis=1)], known.reference.chances)


def counted(ws: Workspace, known: Known, answers: pl.DataFrame) -> tuple[Layout, Granule]:
    """Return what a promise without labels is made from: the scores of probabilities; of values their inputs, too.

    Masked inputs are left out.

    Args:
        ws: the project.
        known: the version that gave them.
        answers: `answers_of` one window.
    """
    reference, said = known.reference, answers["answer"].to_list()
    if reference.calibrator is not None or reference.chances is not None:
        layout = cbpe.scores_layout(reference.layout)
        return layout, count(layout, {}, said)
    layout, signature = layout_for(ws, known.version)
    layout, times = replace(layout, slices=()), answers["time"]
    mine = pl.col("id").is_in(answers["id"].implode()) & (pl.col("arm") == "live")
    first, last = times.min(), times.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    rows = read(ws.state, first, last + timedelta(microseconds=1), columns=("id", "inputs"), where=mine)
    ordered = answers.select("id").join(rows, on="id", how="left", maintain_order="left")
    return layout, count(layout, expand_inputs(ordered, signature).to_dict(as_series=False), said)
