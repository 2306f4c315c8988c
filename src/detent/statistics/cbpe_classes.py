"""How good answers of several classes probably are when no label is known: what calibrated probabilities promise.

The chance of each class follows from its own probability by a rising curve (one class against the rest), and the
chances of a row are divided by their sum: CBPE for several classes, as NannyML defines it. Everything else is sums over
rows, so what was looked at in parts adds up. It can't see that the world changed: rows with the same probabilities and
another truth look as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan, sqrt
from types import MappingProxyType

import numpy as np
from scipy.special import stdtrit

from detent.statistics.axes import Floats
from detent.statistics.calibrator import isotonic
from detent.statistics.cbpe import Outlook
from detent.statistics.chances import Chances, Curve, Expected
from detent.statistics.intervals import Interval
from detent.statistics.jackknife import jackknife
from detent.statistics.metrics_classes import METRICS as OF_CLASSES
from detent.statistics.metrics_classes import OF_COUNTS, TOP, if_true, told

LEAST = 200  # rows from which curves are fitted
PARTS = 10  # of the rows in order: each is left out once
_CELLS = 2_000_000  # of the tables of all fits that are held at once
_DIGITS, _ROUGHLY = 9, 6  # that are kept of a number, and of one that only says how much another varies
_STEP = 1e-4  # of the rows: by so much a sum is moved to see what a metric makes of it
_BETTER: Mapping[str, bool] = MappingProxyType({one.name: one.higher_is_better for one in OF_CLASSES})
_LEAST, _MOST = {"mcc": -1.0}, {"log_loss": np.inf, "brier": 2.0}  # of a metric; of any other 0 and 1
_MEANS = ("log_loss", "brier", *(f"top_{top}" for top in TOP))
METRICS = ("accuracy", *OF_COUNTS, *_MEANS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """What was added up over rows with k classes.

    Columns: right answers of each class, labels of each, answers of each, then the metrics that are means over rows.
    All but the answers are expected numbers.
    """

    rows: int
    outside: int  # rows whose answer is surer, or less sure, than any that its curve was fitted on
    sums: Floats  # (fits, columns): by the curves, and by those without each part of the rows they were fitted on
    products: Floats  # (columns, columns) of a row's columns by the curves: from these follows the chance of the rows

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            rows=self.rows + other.rows, outside=self.outside + other.outside, sums=self.sums + other.sums,
            products=self.products + other.products,
        )  # fmt: skip

    def values(self, metric: str) -> Floats:
        """Return a metric of METRICS by each of the fits; NaN where it divides by nothing."""
        return _value(metric, self.sums, self.rows)

    def variance(self, metric: str) -> float:
        """Return how much the first value varies because other rows might have come (the delta method)."""
        step, here = max(1, self.rows) * _STEP, self.sums[0]
        moved = here + step * np.concatenate([np.eye(here.size), -np.eye(here.size)])
        up, down = _value(metric, moved, self.rows).reshape(2, -1)
        slope = np.nan_to_num((up - down) / (2.0 * step))
        spread = self.products - np.outer(here, here) / max(1, self.rows)
        return max(0.0, float(slope @ spread @ slope))


def fit_chances(y: Floats, score: Floats) -> Chances | None:
    """Fit the curves on rows that the model was not fitted on; None where there are too few, or of one class only.

    A class that none of the rows has is taken at its word: its curve is the diagonal.

    Args:
        y: (n,) places of the classes; rows in order of time, where one is known.
        score: (n, k) finite probabilities.
    """
    if len(y) < LEAST or len(np.unique(y)) < 2:
        return None
    parts = np.array_split(np.arange(len(y)), PARTS)
    curves = tuple(
        _curve((y == place).astype(np.float64), score[:, place], parts) for place in range(score.shape[1])
    )  # fmt: skip
    bare = Chances(curves=curves, then=())
    found = add_up(score, bare)
    then = []
    for metric in METRICS:
        values = found.values(metric)
        if not np.isnan(values).any():
            rounded = np.round(values, _DIGITS).tolist()
            sd = round(sqrt(found.variance(metric)), _DIGITS)
            then.append(Expected(metric=metric, value=rounded[0], left_out=tuple(rounded[1:]), sd=sd))
    return Chances(curves=curves, then=tuple(then))


def add_up(score: Floats, chances: Chances) -> Sums:
    """Add up what the curves promise of rows.

    Args:
        score: (rows, k) finite probabilities, the classes in the model's order.
        chances: of the model.

    Raises:
        ValueError: there are not as many classes as curves.
    """
    classes = len(chances.curves)
    if score.ndim != 2 or score.shape[1] != classes:
        raise ValueError(f"{score.shape} are no probabilities of {classes} classes")
    fits, columns = 1 + len(chances.curves[0].left_out), 3 * classes + len(_MEANS)
    found = Sums(
        rows=0, outside=0, sums=np.zeros((fits, columns)), products=np.zeros((columns, columns))
    )  # fmt: skip
    most = max(1, _CELLS // (fits * columns))
    for start in range(0, len(score), most):
        found += _chunk(score[start : start + most], chances)
    return found


def outlook(window: Sums, chances: Chances, *, metric: str, confidence: float) -> Outlook | None:
    """Return a metric without labels and by how much it is worse than on the rows of the curves, with intervals.

    The intervals hold the chance in which rows came, and that the curves were fitted on few rows: they are fitted anew
    without each tenth of them (the grouped jackknife), and the quantile is Student's. They do not hold that what makes
    answers wrong may have become another thing.

    Args:
        window: `add_up` of the rows that are looked at.
        chances: of the model that answered.
        metric: one of METRICS.
        confidence: of the two-sided intervals.

    Returns:
        None where the metric has no value: there are no rows, or none of a class that it divides by.
    """
    then, values = chances.expected(metric), window.values(metric)
    if then is None or isnan(values[0]):
        return None
    chance = window.variance(metric)
    reach = float(stdtrit(max(1, len(then.left_out) - 1), (1.0 + confidence) / 2.0))
    sign = -1.0 if _BETTER[metric] else 1.0
    gaps = values[1:] - np.array(then.left_out)
    now = _around(float(values[0]), chance + jackknife(values[1:]), reach)
    low, high = max(now.low, _LEAST.get(metric, 0.0)), min(now.high, _MOST.get(metric, 1.0))
    return Outlook(
        now=replace(now, low=low, high=high),
        then=then.value,
        worse=_around(sign * (float(values[0]) - then.value), chance + then.sd**2 + jackknife(gaps), reach),
    )


def _curve(mine: Floats, score: Floats, parts: list[np.ndarray]) -> Curve:
    if not mine.any() or mine.all():
        return Curve(x=(0.0, 1.0), y=(0.0, 1.0), left_out=((0.0, 1.0),) * len(parts))
    whole, left_out = isotonic(score, mine), []
    for part in parts:
        without = isotonic(np.delete(score, part), np.delete(mine, part))
        left_out.append(tuple(np.round(without.apply(np.array(whole.x)), _ROUGHLY).tolist()))
    return Curve(x=whole.x, y=whole.y, left_out=tuple(left_out))


def _chunk(score: Floats, chances: Chances) -> Sums:
    """Add up so few rows that all fits of all classes are held at once."""
    answer, outside = told(score), 0
    chance = np.empty((1 + len(chances.curves[0].left_out), *score.shape))
    for place, curve in enumerate(chances.curves):
        mine = score[:, place]
        for number, y in enumerate(curve.fits()):
            chance[number, :, place] = np.interp(mine, curve.x, y)
        sure = mine[answer == place]
        outside += int(((sure < curve.x[0]) | (sure > curve.x[-1])).sum())
    whole = chance.sum(axis=2, keepdims=True)
    np.divide(chance, whole, out=chance, where=whole > 0.0)
    chance[(whole == 0.0)[:, :, 0]] = 1.0 / score.shape[1]  # no class is possible: each is as probable as the others
    answers = np.eye(score.shape[1])[answer]
    each = if_true(score)
    means = np.stack([np.einsum("frk,rk->fr", chance, each[metric]) for metric in _MEANS], axis=2)
    rows = np.concatenate([chance * answers, chance, np.broadcast_to(answers, chance.shape), means], axis=2)
    return Sums(rows=len(score), outside=outside, sums=rows.sum(axis=1), products=rows[0].T @ rows[0])


def _value(metric: str, sums: Floats, rows: int) -> Floats:
    if not rows:
        return np.full(len(sums), np.nan)
    if metric in _MEANS:
        return sums[:, _MEANS.index(metric) - len(_MEANS)] / rows
    hits, labels, answers = np.split(sums[:, : -len(_MEANS)], 3, axis=1)
    if metric == "accuracy":
        return hits.sum(axis=1) / rows
    return OF_COUNTS[metric](hits, labels, answers)


def _around(value: float, variance: float, reach: float) -> Interval:
    sd = sqrt(variance)
    return Interval(value=value, low=value - reach * sd, high=value + reach * sd, sd=sd)
