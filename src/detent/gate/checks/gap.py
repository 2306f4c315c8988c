"""`gap(roc_auc, by=origin) <= 0.08`: how far apart the metric is between slices of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.errors import ProjectError, did_you_mean
from detent.gate.evidence import Evidence
from detent.gate.requirements import metric_of, place, require_rows
from detent.gate.rule import concluded, judged, one_sided, repeats
from detent.gate.wording import count, number
from detent.records.check import INCONCLUSIVE, Check, CheckResult
from detent.statistics.intervals import Interval, replicates
from detent.statistics.metrics import Floats, Metric, UndefinedMetricError

MIN_SLICE = 200  # rows: with fewer, the metric of a slice is mostly noise
MAX_SLICES = 50
MISSING = "(missing)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slice:
    name: str
    rows: NDArray[np.intp]
    value: float


class Gap:
    """Largest minus smallest value of a metric over the slices of a column."""

    summary: ClassVar[str] = "A metric may not differ by more than so much between the values of a column."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Compare the gap with the threshold; slices of fewer than 200 rows are left out, and the reason says so."""
        metric = metric_of(check, evidence)
        column = _column(check, evidence)
        require_rows(evidence.y, evidence.task)
        slices, left_out = _slices(column, evidence, metric)
        if len(slices) < 2:
            seen = f"only one slice of `{check.by}`" if slices else f"no slice of `{check.by}`"
            reason = f"{seen} has {MIN_SLICE} rows and a value of {metric.name}, so there is no gap to measure"
            return concluded(check, INCONCLUSIVE, f"{reason}{left_out}", rows=evidence.rows)
        ranked = sorted(slices, key=lambda part: part.value, reverse=metric.higher_is_better)
        best, worst = ranked[0], ranked[-1]
        return judged(
            check,
            _interval(check, slices, evidence, metric),
            rows=sum(part.rows.size for part in slices),
            subject=f"the gap of {metric.name} over {len(slices)} slices of `{check.by}` is",
            note=f"worst {_told(worst)}, best {_told(best)}{left_out}",
        )


def _column(check: Check, evidence: Evidence) -> pl.Series:
    known = tuple(evidence.columns.columns)
    if check.by in known:
        return evidence.columns[check.by].cast(pl.String).fill_null(MISSING)
    raise ProjectError(
        what=f"there is no column `{check.by}` to slice by",
        why=f"the check `{check.text}` names it, and the evaluation rows do not have it",
        fix=did_you_mean(check.by or "", known),
        where=place(check),
    )


def _slices(column: pl.Series, evidence: Evidence, metric: Metric) -> tuple[list[_Slice], str]:
    """Return the slices that are large enough, largest first, and what was left out as the end of a sentence."""
    groups = (
        pl.DataFrame({"name": column})
        .with_row_index("row")
        .group_by("name")
        .agg(pl.col("row"))
        .with_columns(size=pl.col("row").list.len())
        .sort("size", "name", descending=[True, False])
    )
    slices: list[_Slice] = []
    skipped: list[int] = []
    undefined: list[str] = []
    for name, rows, size in groups.iter_rows():
        if size < MIN_SLICE or len(slices) == MAX_SLICES:
            skipped.append(size)
            continue
        index = np.array(rows, dtype=np.intp)
        try:
            value = metric.compute(evidence.y[index], evidence.score[index])
        except UndefinedMetricError:
            undefined.append(name)
            continue
        slices.append(_Slice(name=name, rows=index, value=value))
    return slices, _left_out(skipped, undefined, metric)


def _left_out(skipped: list[int], undefined: list[str], metric: Metric) -> str:
    parts = []
    if skipped:
        parts.append(f"{count(len(skipped), 'smaller slice')} ({count(sum(skipped))}) left out")
    if undefined:
        parts.append(f"{metric.name} has no value for {', '.join(undefined[:5])}")
    return "".join(f"; {part}" for part in parts)


def _interval(check: Check, slices: list[_Slice], evidence: Evidence, metric: Metric) -> Interval:
    """Bootstrap within each slice.

    The largest of several noisy values less the smallest is too large on average, and a resample adds the noise a
    second time. The replicas are shifted back by that second excess, so the interval is about the measured gap.
    """
    values = np.array([part.value for part in slices])
    gap = float(values.max() - values.min())
    drawn = np.stack([_replicas(part, evidence, metric, index) for index, part in enumerate(slices)])
    if np.isnan(drawn).mean() > 0.1:
        raise UndefinedMetricError(
            what=f"{metric.name} of a slice of `{check.by}` often has no value when its rows are resampled",
            why="a class is so rare in that slice that no honest interval exists",
            fix="evaluate on more rows, or slice by a column with fewer values",
        )
    gaps = np.nanmax(drawn, axis=0) - np.nanmin(drawn, axis=0)
    shifted = np.maximum(gaps - (gaps.mean() - gap), 0.0)
    tail = 1.0 - one_sided(check)
    low, high = np.quantile(shifted, (tail, 1.0 - tail))
    return Interval(value=gap, low=min(float(low), gap), high=max(float(high), gap), sd=float(gaps.std()))


def _replicas(part: _Slice, evidence: Evidence, metric: Metric, index: int) -> Floats:
    rows = part.rows
    return replicates(
        metric, evidence.y[rows], evidence.score[rows], seed=evidence.seed + index, repeats=repeats(evidence.rows)
    )


def _told(part: _Slice) -> str:
    return f"{part.name} {number(part.value)} ({count(part.rows.size)})"
