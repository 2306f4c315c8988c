"""Metrics of a probability against a label that is 0 or 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detent.statistics.metric import (
    BINARY,
    Floats,
    Metric,
    Resampler,
    both_classes,
    mean_of,
    ratio,
    running,
    squared_error,
    undefined,
)

CUT = 0.5  # a score of at least this is an answer of 1
# Log loss of a score of exactly 0 or 1 that is wrong is infinite; scikit-learn clips at the float64 resolution too.
_CLIP = float(np.finfo(np.float64).eps)


def roc_auc(y: Floats, score: Floats) -> Resampler:
    """Area under the ROC curve = chance that a positive outscores a negative, a tie counting half (Mann-Whitney).

    With C the running total of counts in the order of scores, a positive's mid-rank is the mean of C before and after
    its group of equal scores. Summed over positives that counts pairs with negatives, plus P^2/2 for pairs of
    positives among themselves. Counts and halves are exact in float64, so equal rankings give exactly equal areas.
    """
    both_classes(y, "roc_auc")
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    positive = np.flatnonzero(y[order] == 1.0)
    before = np.searchsorted(ranked, ranked[positive], side="left")
    after = np.searchsorted(ranked, ranked[positive], side="right")

    def resample(counts: Floats) -> Floats:
        drawn = np.take(counts, order, axis=1)
        total = running(drawn)
        weight = drawn[:, positive]
        positives = weight.sum(axis=1)
        negatives = total[:, -1] - positives
        mid_ranks = np.einsum("ij,ij->i", weight, total[:, before] + total[:, after])
        return ratio((mid_ranks - positives**2) / 2.0, positives * negatives)

    return resample


def _average_precision(y: Floats, score: Floats) -> Resampler:
    """Area under the precision-recall curve as a step function: the mean over positives of precision at their score."""
    if not np.any(y == 1.0):
        raise undefined(
            "average_precision has no value: no row is positive",
            "recall divides by the number of positive rows",
            "evaluate on rows with at least one positive label",
        )
    order = np.argsort(-score, kind="stable")
    ranked, positives = -score[order], y[order]
    rows = np.flatnonzero(positives == 1.0)
    after = np.searchsorted(ranked, ranked[rows], side="right")

    def resample(counts: Floats) -> Floats:
        drawn = np.take(counts, order, axis=1)
        total, hits = running(drawn)[:, after], running(drawn * positives)[:, after]
        weight = drawn[:, rows]
        # A total of 0 belongs to a row that was not drawn: its weight is 0 as well.
        return ratio(np.einsum("ij,ij->i", weight, hits / np.maximum(total, 1.0)), weight.sum(axis=1))

    return resample


def _log_loss(y: Floats, score: Floats) -> Floats:
    chance = np.clip(score, _CLIP, 1.0 - _CLIP)
    return -np.where(y == 1.0, np.log(chance), np.log1p(-chance))


def _correct(y: Floats, score: Floats) -> Floats:
    return ((score >= 0.5) == (y == 1.0)).astype(np.float64)


def _of_table(
    value: Callable[[Floats, Floats, Floats, Floats], Floats],
) -> Callable[[Floats, Floats], Resampler]:
    """Return the metric that is a function of the counts of right and wrong answers (tp, fp, fn, tn) at 0.5."""

    def prepare(y: Floats, score: Floats) -> Resampler:
        told = score >= CUT
        cells = np.stack([told & (y == 1), told & (y == 0), ~told & (y == 1), ~told & (y == 0)], axis=1)
        weights = cells.astype(np.float64)
        return lambda counts: value(*(counts @ weights).T)

    return prepare


def _precision(tp: Floats, fp: Floats, _fn: Floats, _tn: Floats) -> Floats:
    return ratio(tp, tp + fp)


def _recall(tp: Floats, _fp: Floats, fn: Floats, _tn: Floats) -> Floats:
    return ratio(tp, tp + fn)


def _f1(tp: Floats, fp: Floats, fn: Floats, _tn: Floats) -> Floats:
    return ratio(2.0 * tp, 2.0 * tp + fp + fn)


def _mcc(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    """Matthews' correlation of answer and label; 0 when all answers, or all labels, are one class."""
    scale = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.where(scale > 0.0, (tp * tn - fp * fn) / np.maximum(scale, 1e-300), 0.0)


METRICS = (
    Metric(name="roc_auc", task=BINARY, higher_is_better=True, prepare=roc_auc),
    Metric(name="average_precision", task=BINARY, higher_is_better=True, prepare=_average_precision),
    Metric(name="accuracy", task=BINARY, higher_is_better=True, prepare=mean_of(_correct), rate=True),
    Metric(name="precision", task=BINARY, higher_is_better=True, prepare=_of_table(_precision)),
    Metric(name="recall", task=BINARY, higher_is_better=True, prepare=_of_table(_recall)),
    Metric(name="f1", task=BINARY, higher_is_better=True, prepare=_of_table(_f1)),
    Metric(name="mcc", task=BINARY, higher_is_better=True, prepare=_of_table(_mcc)),
    Metric(name="log_loss", task=BINARY, higher_is_better=False, prepare=mean_of(_log_loss)),
    Metric(name="brier", task=BINARY, higher_is_better=False, prepare=mean_of(squared_error)),
)
