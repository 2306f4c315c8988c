"""Metrics of probabilities of several classes against the class that was true.

Scores are (rows, k): a probability per class; labels are codes 0 .. k - 1, the places of the classes in that order. The
answer of a row is its most probable class, the first of equal ones. Names and definitions are those of scikit-learn.

A class that no row of a resample (or of a slice) has is left out of what is averaged over classes, as scikit-learn does
where it is asked without a list of classes; so every metric has a value wherever there are rows, but for `roc_auc_ovr`,
which needs two classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detent.statistics.calibration import ece
from detent.statistics.metric import CLASSES, Floats, Metric, Prepare, Resampler, mean_of, ratio, undefined
from detent.statistics.metrics_binary import roc_auc

TOP = (2, 3, 5)
# Log loss of a true class with probability 0 is infinite; scikit-learn clips at the float64 resolution too.
_CLIP = float(np.finfo(np.float64).eps)
Counted = Callable[[Floats, Floats, Floats], Floats]
"""Right answers, labels and answers of each class, all (tables, k) -> one value per table; NaN: not defined."""


def told(score: NDArray) -> NDArray[np.intp]:
    """Return the most probable class of each row, (rows,); of equal ones the first."""
    return np.asarray(score).argmax(axis=1)


def confidence(score: NDArray) -> Floats:
    """Return the probability of each row's most probable class, (rows,)."""
    return np.asarray(score, dtype=np.float64).max(axis=1)


def true_share(y: NDArray, score: NDArray) -> Floats:
    """Return the probability that each row's true class was given, (rows,)."""
    return np.asarray(score, dtype=np.float64)[np.arange(len(y)), np.asarray(y).astype(np.intp)]


def squared_distance(y: Floats, score: Floats) -> Floats:
    """Return sum over classes of (probability - truth)^2 of each row, 0 .. 2 (Brier 1950)."""
    return ((score - _one_hot(y.astype(np.intp), score.shape[1])) ** 2).sum(axis=1)


def distance(y: NDArray, score: NDArray) -> Floats:
    """Return how far the probabilities of each row lie from the truth, 0..1; its square is half the Brier score.

    Held against 0 it is the one number per row whose squared error says what an answer with several classes cost.
    """
    return np.sqrt(np.clip(squared_distance(np.asarray(y, dtype=np.float64), score) / 2.0, 0.0, 1.0))


def if_true(score: Floats) -> Mapping[str, Floats]:
    """Return by metric what each row would add to its mean, were each class the true one: (rows, k).

    They are all metrics that are means over rows and may be other than right or wrong answers.
    """
    squares = (score**2).sum(axis=1, keepdims=True)
    order, rank = np.argsort(-score, axis=1, kind="stable"), np.empty(score.shape)
    np.put_along_axis(rank, order, np.arange(score.shape[1], dtype=np.float64)[None, :], axis=1)
    return {
        "log_loss": -np.log(np.clip(score, _CLIP, 1.0)),
        "brier": squares - 2.0 * score + 1.0,
        **{f"top_{top}": (rank < top).astype(np.float64) for top in TOP},
    }


def _one_hot(codes: NDArray[np.intp], k: int) -> Floats:
    found = np.zeros((len(codes), k))
    found[np.arange(len(codes)), codes] = 1.0
    return found


def _log_loss(y: Floats, score: Floats) -> Floats:
    return -np.log(np.clip(true_share(y, score), _CLIP, 1.0))


def _correct(y: Floats, score: Floats) -> Floats:
    return (told(score) == y).astype(np.float64)


def _among(top: int) -> Callable[[Floats, Floats], Floats]:
    """Return whether the true class is among so many most probable ones; of equal ones the first counts as higher."""

    def hit(y: Floats, score: Floats) -> Floats:
        mine = true_share(y, score)[:, None]
        earlier = np.arange(score.shape[1])[None, :] < y[:, None]
        return (((score > mine) | ((score == mine) & earlier)).sum(axis=1) < top).astype(np.float64)

    return hit


def _of_counts(value: Counted) -> Prepare:
    """Return the metric that is a function of three tables (resamples, k): right answers, labels and answers."""

    def prepare(y: Floats, score: Floats) -> Resampler:
        k = score.shape[1]
        truth, answer = _one_hot(y.astype(np.intp), k), _one_hot(told(score), k)
        return lambda counts: value(counts @ (truth * answer), counts @ truth, counts @ answer)

    return prepare


def _mean_over(values: Floats, there: NDArray[np.bool_]) -> Floats:
    return ratio(np.where(there, values, 0.0).sum(axis=1), there.sum(axis=1).astype(np.float64))


def _share(above: Floats, below: Floats) -> Floats:
    """Divide; nothing of nothing is 0, as scikit-learn has it."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)


def _f1_macro(hits: Floats, labels: Floats, answers: Floats) -> Floats:
    return _mean_over(_share(2.0 * hits, labels + answers), labels + answers > 0.0)


def _f1_weighted(hits: Floats, labels: Floats, answers: Floats) -> Floats:
    return ratio((labels * _share(2.0 * hits, labels + answers)).sum(axis=1), labels.sum(axis=1))


def _precision_macro(hits: Floats, labels: Floats, answers: Floats) -> Floats:
    return _mean_over(_share(hits, answers), labels + answers > 0.0)


def _recall_macro(hits: Floats, labels: Floats, _answers: Floats) -> Floats:
    """Mean recall of the classes that have rows: the balanced accuracy."""
    return _mean_over(_share(hits, labels), labels > 0.0)


def _mcc(hits: Floats, labels: Floats, answers: Floats) -> Floats:
    """Correlation of answers and labels (Gorodkin 2004); 0 when all answers, or all labels, are one class."""
    rows = labels.sum(axis=1)
    free = [np.maximum(0.0, rows**2 - (one**2).sum(axis=1)) for one in (answers, labels)]  # rounding may go below 0
    scale = np.sqrt(free[0] * free[1])
    return _share(hits.sum(axis=1) * rows - (labels * answers).sum(axis=1), scale)


OF_COUNTS: Mapping[str, Counted] = MappingProxyType(
    {
        "f1_macro": _f1_macro,
        "f1_weighted": _f1_weighted,
        "precision_macro": _precision_macro,
        "recall_macro": _recall_macro,
        "mcc": _mcc,
    }
)


def _roc_auc_ovr(y: Floats, score: Floats) -> Resampler:
    """Mean over classes of the area under the curve of that class against the rest."""
    there = np.unique(y).astype(np.intp)
    if len(there) < 2:
        raise undefined(
            f"roc_auc_ovr has no value: all {y.size} rows are of one class",
            "it compares rows of a class with rows of the others",
            "evaluate on rows of several classes: a longer period, or a larger sample",
        )
    areas = [roc_auc((y == code).astype(np.float64), score[:, code]) for code in there]

    def resample(counts: Floats) -> Floats:
        found = np.stack([area(counts) for area in areas], axis=1)
        known = ~np.isnan(found)
        return _mean_over(np.where(known, found, 0.0), known)

    return resample


def _ece(y: Floats, score: Floats) -> Resampler:
    """Expected calibration error of the answer: is it right as often as its probability says (Guo et al. 2017)?"""
    return ece(_correct(y, score), confidence(score))


def _higher(name: str, prepare: Prepare) -> Metric:
    return Metric(name=name, task=CLASSES, higher_is_better=True, prepare=prepare)


def _rate(name: str, hits: Callable[[Floats, Floats], Floats]) -> Metric:
    return Metric(name=name, task=CLASSES, higher_is_better=True, prepare=mean_of(hits), rate=True, hits=hits)


METRICS = (
    _rate("accuracy", _correct),
    *(_rate(f"top_{top}", _among(top)) for top in TOP),
    *(_higher(name, _of_counts(value)) for name, value in OF_COUNTS.items()),
    _higher("roc_auc_ovr", _roc_auc_ovr),
    Metric(name="log_loss", task=CLASSES, higher_is_better=False, prepare=mean_of(_log_loss)),
    Metric(name="brier", task=CLASSES, higher_is_better=False, prepare=mean_of(squared_distance)),
    Metric(name="ece", task=CLASSES, higher_is_better=False, prepare=_ece, biased=True),
)
