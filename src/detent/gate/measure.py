"""A metric of the candidate, or its difference from the champion, with the interval that suits it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detent.gate.evidence import Evidence
from detent.gate.own import own_interval
from detent.gate.rule import repeats, two_sided
from detent.records.check import Check
from detent.statistics.delong import delong
from detent.statistics.intervals import Interval, wilson
from detent.statistics.mcnemar import rate_difference
from detent.statistics.metrics import Metric
from detent.statistics.resample import Draws, bca, known, paired, percentile, replicas

Rows = NDArray[np.intp] | slice
EVERY = slice(None)


def measured(metric: Metric, check: Check, evidence: Evidence, rows: Rows = EVERY) -> Interval:
    """Return the metric on some rows; each bound has the check's confidence.

    A project's metric may bring its own interval. roc_auc by DeLong, a rate by Wilson, everything else by the bootstrap
    (BCa); where rows come in groups, by a bootstrap of whole groups.

    Raises:
        UndefinedMetricError: the metric, or its interval, has no value on these rows.
    """
    brought = None if check.code is None else own_interval(check, evidence, _numbers_of(evidence, rows))
    if brought is not None:
        return brought
    metric = known_on(metric, evidence, rows)
    y, score, confidence = evidence.y[rows], evidence.score[rows], two_sided(check)
    if evidence.groups is None and not metric.biased:
        if metric.name == "roc_auc":
            return delong(y, score, confidence=confidence)
        if metric.rate:
            return wilson(round(metric.compute(y, score) * len(y)), len(y), confidence)
    how = _draws(metric, evidence, rows)
    if metric.biased:
        return _cautious(metric, y, score, confidence, how)
    return bca(metric, y, score, confidence=confidence, how=how)


def difference(
    metric: Metric, check: Check, evidence: Evidence, rows: Rows = EVERY, *, factor: float = 1.0
) -> Interval:
    """Return `candidate - factor * champion` of a metric on the same rows; each bound has the check's confidence.

    roc_auc by DeLong, a rate by Tango's score interval, else the paired bootstrap, of whole groups where rows come in
    groups.

    Raises:
        UndefinedMetricError: the metric, or its interval, has no value on these rows.
        ValueError: there is no champion.
    """
    if evidence.champion is None:
        raise ValueError("there is no champion to compare with")
    metric = known_on(metric, evidence, rows)
    y, ours, theirs = evidence.y[rows], evidence.score[rows], evidence.champion[rows]
    confidence = two_sided(check)
    if evidence.groups is None:
        if metric.name == "roc_auc":
            return delong(y, ours, theirs, confidence=confidence, factor=factor)
        if metric.rate and factor == 1.0:
            mine, other = right(metric, y, ours), right(metric, y, theirs)
            only, only_other = int(np.sum(mine & ~other)), int(np.sum(other & ~mine))
            return rate_difference(only, only_other, len(y), confidence)
    how = _draws(metric, evidence, rows)
    return paired(metric, y, ours, theirs, confidence=confidence, how=how, factor=factor)


def known_on(metric: Metric, evidence: Evidence, rows: Rows = EVERY) -> Metric:
    """Return the metric with what else it must know of these rows, such as their lists.

    Raises:
        UndefinedMetricError: it must know something that was not declared.
    """
    values = {"list": evidence.lists, "naive": evidence.naive, "row": np.arange(evidence.rows)}.get(metric.beside)
    return metric.given(None if values is None else values[rows])


def _numbers_of(evidence: Evidence, rows: Rows) -> NDArray[np.intp]:
    return np.arange(evidence.rows)[rows]


def right(metric: Metric, y: NDArray, score: NDArray) -> NDArray[np.bool_]:
    """Return which answers are right as a rate counts it; of two classes a score of at least 0.5 is an answer of 1."""
    if metric.hits is not None:
        return metric.hits(y, score) > 0.0
    return (score >= 0.5) == (y == 1.0)


def _draws(metric: Metric, evidence: Evidence, rows: Rows) -> Draws:
    """Return how to draw: groups of rows as a whole, and for a metric of lists at least whole lists."""
    groups = evidence.groups if evidence.groups is not None or metric.beside != "list" else evidence.lists
    groups = None if groups is None else groups[rows]
    size = evidence.rows if isinstance(rows, slice) else len(rows)
    return Draws(seed=evidence.seed, repeats=repeats(size), clusters=groups)


def _cautious(metric: Metric, y: NDArray, score: NDArray, confidence: float, how: Draws) -> Interval:
    """Bootstrap a metric that noise adds to: a resample adds the noise once more.

    The upper bound keeps that, for what is left of the noise in the value itself can't be told from a true error: it
    covers the truth at least as often as asked. The lower bound has it taken off.
    """
    value, found = metric.compute(y, score), known(replicas(metric, y, score, how))
    high = percentile(value, found, confidence=confidence).high
    low = percentile(value, found - (found.mean() - value), confidence=confidence).low
    return Interval(value=value, low=min(max(low, 0.0), value), high=max(high, value), sd=float(found.std()))
