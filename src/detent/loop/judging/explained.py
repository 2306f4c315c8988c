"""Explain a verdict: what it says itself, the rows behind it, and what differs from the champion."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.bundle.codec import manifest_from_json, profile_from_json, signature_from_json
from detent.errors import DetentError
from detent.gate.explanation import About, Example, Explanation, Part, Seen, explanation, worst_parts
from detent.gate.slicing import MISSING
from detent.loop import places
from detent.loop.classes import truth_of
from detent.loop.judging.judged import Judged
from detent.loop.scores import predictor_of, score_rows
from detent.loop.workspace import Workspace
from detent.records.check import PASS, Verdict
from detent.records.version import ModelVersion
from detent.registry import versions
from detent.statistics.metrics_classes import true_share

EXAMPLES = 10
NAMED = 5  # inputs or parameters that are named
SHORT = 12  # letters of a digest


def explain(ws: Workspace, judged: Judged) -> Explanation:
    """Return the explanation. What the state no longer holds, such as rows that were collected, is left out."""
    verdict = judged.verdict
    champion = None if verdict.champion_digest is None else versions.find(ws.db, ws.model, verdict.champion_digest)
    about = About(
        model=ws.model,
        verdict=verdict.id,
        judged_at=verdict.judged_at,
        run=judged.run,
        origin=judged.origin,
        version=judged.version.number if judged.version else None,
        champion="" if champion is None else f"version {champion.number}",
    )
    return explanation(verdict, about, None if verdict.decision == PASS else _seen(ws, verdict, champion))


def _seen(ws: Workspace, verdict: Verdict, champion: ModelVersion | None) -> Seen:
    ours = places.bundles(ws.state) / verdict.model_digest
    theirs = None if champion is None else places.bundles(ws.state) / champion.digest
    if not ours.is_dir():
        return Seen()
    theirs = theirs if theirs is not None and theirs.is_dir() else None
    worst = next((part for part in worst_parts(verdict.results) if part.found.metric is not None), None)
    examples = _examples(ws, verdict, ours, theirs, worst)
    of = "" if worst is None or worst.found.decision == PASS else f"{worst.found.column}={worst.found.value}"
    return Seen(examples=examples, examples_of=of, changed=() if theirs is None else tuple(_changed(ours, theirs)))


def _examples(
    ws: Workspace, verdict: Verdict, ours: Path, theirs: Path | None, worst: Part | None
) -> tuple[Example, ...]:
    """Return rows that the model answers worst, compared with the champion if there is one; () when nobody can tell."""
    try:
        rows = pl.read_parquet(io.BytesIO(ws.blobs.get(verdict.data_digest)))
    except (DetentError, OSError, pl.exceptions.PolarsError):  # collected, or not on this machine
        return ()
    if worst is not None and worst.found.decision != PASS and worst.found.column in rows.columns:
        rows = rows.filter(pl.col(worst.found.column).cast(pl.String).fill_null(MISSING) == worst.found.value)
    classes = ws.project.target.classes
    candidate = _scores(ours, rows, classes)
    champion = None if theirs is None else _scores(theirs, rows, classes)
    if candidate is None or not rows.height:
        return ()
    truth = rows[ws.project.target.column]
    label = truth_of(truth, classes)
    if classes:  # what counts is the probability that the true class was given
        known = np.where(np.isfinite(label), label, 0.0)
        candidate = np.where(np.isfinite(label), true_share(known, candidate), np.nan)
        champion = None if champion is None else true_share(known, champion)
        label = np.ones(rows.height)
    worse = np.abs(candidate - label) - (0.0 if champion is None else np.abs(champion - label))
    worse = np.where(np.isfinite(worse), worse, np.inf)
    key = str(ws.project.source(ws.project.features.rows).key)
    names = rows[key].cast(pl.String).to_list() if key in rows.columns else [str(n) for n in range(rows.height)]
    order = np.argsort(-worse, kind="stable")[:EXAMPLES]
    return tuple(
        Example(
            key=str(names[at]),
            label=str(truth[int(at)]) if classes else float(label[at]),
            candidate=float(candidate[at]),
            champion=None if champion is None else float(champion[at]),
        )
        for at in order
        if worse[at] > 0.0
    )


def _scores(folder: Path, rows: pl.DataFrame, classes: tuple[str, ...]) -> NDArray[np.float64] | None:
    try:
        return score_rows(predictor_of(folder), rows, classes)
    except Exception:  # noqa: BLE001  (a refused model may raise anything; its verdict says so)
        return None


def _changed(ours: Path, theirs: Path) -> Iterator[str]:
    """Yield what differs between two bundles, in sentences."""
    mine, other = (manifest_from_json((folder / "manifest.json").read_bytes()) for folder in (ours, theirs))
    rows, before = (profile_from_json((folder / "profile.json").read_bytes()).rows for folder in (ours, theirs))
    if mine.data_digest != other.data_digest:
        change = (
            "as many as the champion" if rows == before else f"{rows - before:+,} against the champion's {before:,}"
        )
        yield f"training data: {rows:,} rows, {change}"
    inputs, had = (
        [field.name for field in signature_from_json((folder / "signature.json").read_bytes()).inputs]
        for folder in (ours, theirs)
    )
    signs = [f"+ {name}" for name in inputs if name not in had] + [f"- {name}" for name in had if name not in inputs]
    if signs:
        yield f"inputs: {_listed(signs)}"
    params, old = dict(mine.params), dict(other.params)
    differing = [name for name in sorted({*params, *old}) if params.get(name) != old.get(name)]
    if differing:
        yield "parameters: " + _listed(
            [f"{name} {old.get(name, '-')} -> {params.get(name, '-')}" for name in differing]
        )
    for name, here, there in (
        ("pipeline code", mine.code_digest, other.code_digest),
        ("environment", mine.environment_digest, other.environment_digest),
        ("gate section at training", mine.policy_digest, other.policy_digest),
    ):
        if here != there:
            yield f"{name}: {here[:SHORT]}, the champion's {there[:SHORT]}"
    if mine.origin != other.origin or mine.predictor != other.predictor:
        yield f"made by: {mine.origin} ({mine.predictor}), the champion by {other.origin} ({other.predictor})"


def _listed(parts: list[str]) -> str:
    more = f" and {len(parts) - NAMED} more" if len(parts) > NAMED else ""
    return ", ".join(parts[:NAMED]) + more
