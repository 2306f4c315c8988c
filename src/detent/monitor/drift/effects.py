"""How far a column moved, and how far at least: in numbers that mean the same at 200 rows and at 200,000."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detent.monitor.protocol import Sample
from detent.records.project import DriftPlan
from detent.statistics.axes import Axis
from detent.statistics.bounds import difference_at_least, psi_at_least, wasserstein_at_least
from detent.statistics.distances import coarsen, pool_rare, psi_debiased, wasserstein
from detent.statistics.levels import comparable, expected_novel

PSI, WASSERSTEIN, NULLS, NOVEL = "psi", "wasserstein", "nulls", "novel"
# Between the 5th and the 95th percentile of a normal law lie 2.44 interquartile ranges.
_WIDE = 2.44


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One way in which a column may have moved."""

    statistic: str  # psi | wasserstein (in interquartile ranges) | nulls, novel (share of rows)
    value: float  # estimate
    low: float  # it is at least so large, with 95 % confidence
    threshold: float  # from which it matters
    before: float = 0.0  # of a share: what it was in the reference
    now: float = 0.0  # ... and what it is

    @property
    def matters(self) -> bool:
        """Even the smallest change that the rows allow is one that matters."""
        return self.low >= self.threshold


def effects_of(axis: Axis, reference: Sample, current: Sample, plan: DriftPlan) -> tuple[Effect, ...]:
    """Measure a change in every way that fits the column.

    Missing and unknown values come first when they matter: they say what happened. Else the one that exceeds its
    threshold the most.
    """
    found = [_psi(axis, reference, current, plan), _nulls(reference, current, plan)]
    found.append(
        _wasserstein(axis, reference, current, plan) if axis.numeric else _novel(axis, reference, current, plan)
    )
    return tuple(sorted(found, key=_rank))


def moved_at_least(effects: Sequence[Effect]) -> float:
    """Return the lower bound of the population stability index among some effects."""
    return max((effect.low for effect in effects if effect.statistic == PSI), default=0.0)


def few_bins(axis: Axis, reference: Sample, current: Sample) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the counts over about 20 bins, or over the frequent levels: what PSI is about."""
    if not axis.numeric:
        return pool_rare(*comparable(axis, reference.bins, current.bins, new=(reference.novel, current.novel)))
    starts = np.append(0, np.searchsorted(axis.edges, axis.coarse) + 1).astype(np.intp)
    return coarsen(np.add.reduceat(reference.bins, starts), np.add.reduceat(current.bins, starts))


def spread(axis: Axis, reference: NDArray[np.float64]) -> float:
    """Return the interquartile range by the reference's bins; where that is 0, what is left of it; at last 1."""
    edges = np.array(axis.edges)
    if len(edges) < 2 or reference.sum() == 0:
        return 1.0
    below = np.cumsum(reference)[:-1] / reference.sum()
    low, first, third, high = np.interp((0.05, 0.25, 0.75, 0.95), below, edges)
    for width in (third - first, (high - low) / _WIDE, edges[-1] - edges[0]):
        # An atom and the edge just below it are no spread.
        if width > 1e-9 * max(1e-300, float(np.abs(edges).max())):
            return float(width)
    return 1.0


def _rank(effect: Effect) -> tuple[bool, float, float]:
    plain = effect.statistic in (NULLS, NOVEL) and effect.matters
    return not plain, -effect.low / effect.threshold, -effect.value / effect.threshold


def _psi(axis: Axis, reference: Sample, current: Sample, plan: DriftPlan) -> Effect:
    expected, counts = few_bins(axis, reference, current)
    return Effect(
        statistic=PSI,
        value=psi_debiased(expected, counts),
        low=psi_at_least(expected, counts),
        threshold=plan.psi,
    )


def _wasserstein(axis: Axis, reference: Sample, current: Sample, plan: DriftPlan) -> Effect:
    unit = spread(axis, reference.bins)
    return Effect(
        statistic=WASSERSTEIN,
        value=float(wasserstein(axis.edges, reference.bins, current.bins)) / unit,
        low=wasserstein_at_least(axis.edges, reference.bins, current.bins) / unit,
        threshold=plan.wasserstein,
    )


def _nulls(reference: Sample, current: Sample, plan: DriftPlan) -> Effect:
    return _share(NULLS, reference.missing, reference.rows, current.missing, current.rows, plan)


def _novel(axis: Axis, reference: Sample, current: Sample, plan: DriftPlan) -> Effect:
    expected = expected_novel(axis, reference.bins, reference.novel)
    effect = _share(NOVEL, expected, reference.rows, current.novel, current.rows, plan)
    if effect.now > effect.before:
        return effect
    return Effect(statistic=NOVEL, value=0.0, low=0.0, threshold=plan.nulls, before=effect.before, now=effect.now)


def _share(statistic: str, before: float, rows: float, now: float, now_rows: float, plan: DriftPlan) -> Effect:
    was, is_ = (part / whole if whole else 0.0 for part, whole in ((before, rows), (now, now_rows)))
    return Effect(
        statistic=statistic,
        value=abs(is_ - was) if rows and now_rows else 0.0,
        low=difference_at_least(before, rows, now, now_rows),
        threshold=plan.nulls,
        before=was,
        now=is_,
    )
