"""Metrics of rows that belong together: results of one search, values of one series."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detent.statistics.metric import ANY, REGRESSION, Floats, Metric, Prepare, Resampler, ratio, undefined

Ranked = Callable[[Floats], float]
"""labels of a list, best score first -> the list's value; NaN: the list has none."""


def _per_list(value: Ranked) -> Callable[[NDArray], Prepare]:
    """Return the metric that is the mean over lists of a value per list.

    A list that has no relevant row has no value and is left out. Equal scores are in the order of falling labels
    reversed: a tie is never good luck. Lists count as often as their first row does, so whole lists must be drawn.
    """

    def beside(lists: NDArray) -> Prepare:
        def prepare(y: Floats, score: Floats) -> Resampler:
            order = np.lexsort((y, -score, lists))
            starts = np.flatnonzero(np.r_[True, lists[order][1:] != lists[order][:-1]])
            values = np.array([value(part) for part in np.split(y[order], starts[1:])])
            known = ~np.isnan(values)
            if not known.any():
                raise undefined(
                    "no list has a relevant row", "a label above 0 is relevant, and all are 0", "evaluate on more lists"
                )
            first, kept = order[starts][known], values[known]
            return lambda counts: ratio(counts[:, first] @ kept, counts[:, first].sum(axis=1))

        return prepare

    return beside


def _ndcg(labels: Floats, most: int) -> float:
    """Normalised discounted cumulative gain of the first rows; gains are labels (Jarvelin and Kekalainen 2002)."""
    discounts = 1.0 / np.log2(np.arange(2, min(most, labels.size) + 2))
    best = float(np.sort(labels)[::-1][: discounts.size] @ discounts)
    return float(labels[: discounts.size] @ discounts) / best if best > 0.0 else float("nan")


def _average_precision(labels: Floats) -> float:
    hits = labels > 0.0
    if not hits.any():
        return float("nan")
    precision = np.cumsum(hits) / np.arange(1, labels.size + 1)
    return float(precision[hits].mean())


def _reciprocal_rank(labels: Floats) -> float:
    hits = np.flatnonzero(labels > 0.0)
    return 1.0 / (float(hits[0]) + 1.0) if hits.size else float("nan")


def _mase(naive: NDArray) -> Prepare:
    """Mean absolute error over that of repeating the last season (Hyndman and Koehler 2006), on the same rows.

    Rows whose season before is not known, NaN in `naive`, count for neither.
    """

    def prepare(y: Floats, score: Floats) -> Resampler:
        known = np.isfinite(naive)
        theirs = np.where(known, np.abs(y - np.where(known, naive, 0.0)), 0.0)
        if not theirs.any():
            raise undefined(
                "mase has no value",
                "repeating the last season is right everywhere, or that season is known nowhere",
                "evaluate on a longer period, or use mae",
            )
        ours = np.where(known, np.abs(y - score), 0.0)
        return lambda counts: ratio(counts @ ours, counts @ theirs)

    return prepare


def _unknown(_y: Floats, _score: Floats) -> Resampler:
    raise undefined("the metric needs more than labels and scores", "its rows belong together", "use `Metric.given`")


def _ranking(name: str, value: Ranked) -> Metric:
    return Metric(
        name=name, task=ANY, higher_is_better=True, prepare=_unknown, beside="list", prepare_beside=_per_list(value)
    )


METRICS = (
    *(_ranking(f"ndcg@{most}", lambda labels, most=most: _ndcg(labels, most)) for most in (1, 3, 5, 10, 20, 100)),
    _ranking("map", _average_precision),
    _ranking("mrr", _reciprocal_rank),
    Metric(
        name="mase", task=REGRESSION, higher_is_better=False, prepare=_unknown, beside="naive", prepare_beside=_mase
    ),
)
