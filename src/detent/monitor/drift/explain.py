"""What a drifted column did to the scores, and where in the column it happened. Pure, given a model to ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.monitor.drift.effects import few_bins
from detent.monitor.drift.samples import Column
from detent.records.finding import Finding

Floats = NDArray[np.float64]
Predict = Callable[[pl.DataFrame], Floats]  # rows -> one score each; NaN where the model fails

ROWS = 2_000  # of the window, scored twice per column
TERMS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """How much one bin or level adds to a column's population stability index."""

    cell: str  # "(20, 35]", "JFK", "others"
    before: float  # share of rows in the reference
    now: float
    psi: float


def explained(
    findings: Sequence[Finding], reference: pl.DataFrame, rows: pl.DataFrame, predict: Predict, *, seed: int
) -> list[Finding]:
    """Return the findings with `score_shift` for each drifted input: what its change did to the mean score.

    In the window's rows the column is replaced by values that the reference drew, everything else stays, and the rows
    are scored again. That ignores how the column goes together with others, so it is an account, not a proof.

    Args:
        findings: of one look.
        reference: rows of the training data, such as the reservoir of the bundle.
        rows: rows of the window; inputs that the log masks are missing.
        predict: the model.
        seed: which rows are taken.
    """
    rng = np.random.default_rng(seed)
    some = rows[np.sort(rng.permutation(rows.height)[:ROWS]).tolist()]
    names = {finding.column for finding in findings if finding.kind == "drift" and finding.slice is None}
    usable = [name for name in rows.columns if name in names and name in reference.columns]
    if some.is_empty() or reference.is_empty() or not usable:
        return list(findings)
    drawn = reference[rng.integers(0, reference.height, some.height).tolist()]
    # Inputs that the log masks are drawn too, so that the model has all it wants.
    some = some.with_columns(drawn[name] for name in reference.columns if name not in rows.columns)
    before = predict(some)
    shifts = {name: _mean_gap(before, predict(some.with_columns(drawn[name]))) for name in usable}
    return [
        replace(finding, score_shift=shifts[finding.column])
        if finding.kind == "drift" and finding.slice is None and finding.column in shifts
        else finding
        for finding in findings
    ]


def largest_terms(column: Column, *, most: int = TERMS) -> list[Term]:
    """Return the bins or levels that moved the most, the largest part of the population stability index first."""
    axis, reference, current = column.axis, column.expected, column.current
    if axis.numeric:
        starts = np.append(0, np.searchsorted(axis.edges, axis.coarse) + 1).astype(np.intp)
        expected, counts = (np.add.reduceat(sample.bins, starts) for sample in (reference, current))
        names = _intervals(axis.coarse)
    else:
        expected, counts = reference.bins, current.bins
        names = [*axis.levels, "others"]
    size = len(few_bins(axis, reference, current)[0])
    if expected.sum() == 0 or counts.sum() == 0 or size < 2:
        return []
    p = (expected + 0.5) / (expected.sum() + 0.5 * len(expected))
    q = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    terms = (p - q) * np.log(p / q)
    order = np.argsort(-terms, kind="stable")[:most]
    return [
        Term(
            cell=names[place],
            before=float(expected[place] / expected.sum()),
            now=float(counts[place] / counts.sum()),
            psi=float(terms[place]),
        )
        for place in order.tolist()
        if expected[place] + counts[place] > 0
    ]


def _intervals(edges: Sequence[float]) -> list[str]:
    if not edges:
        return ["all"]
    inner = [f"({low:.6g}, {high:.6g}]" for low, high in pairwise(edges)]
    return [f"<= {edges[0]:.6g}", *inner, f"> {edges[-1]:.6g}"]


def _mean_gap(scores: Floats, without: Floats) -> float | None:
    """Return how much higher the mean score is than it would be without the change; None when the model fails."""
    known = np.isfinite(scores) & np.isfinite(without)
    return float((scores[known] - without[known]).mean()) if known.any() else None
