"""How good answers probably are when no label is known: what the calibrated scores themselves promise.

The calibrator says which share of rows with a score is positive (CBPE, as NannyML calls it). It is linear between its
points, and all of these are edges of the scores' axis; so what it promises for a bin follows exactly from the number
and the sum of the scores in it, whichever processes counted them. It can't see that the world changed: rows with the
same inputs and another truth look as before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detent.statistics.axes import OUTPUT, Floats
from detent.statistics.granules import Granule, cells_of, score_sums
from detent.statistics.intervals import Interval, z_value
from detent.statistics.layout import Layout
from detent.statistics.reference import Calibrator

METRICS = ("accuracy", "f1", "precision", "recall", "roc_auc")
_DRAWS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Expected positives per bin of the score, ascending, in the last axis; axes before it are draws."""

    rows: Floats
    positives: Floats
    above: NDArray[np.bool_]  # (bins,) True for bins whose rows are predicted positive

    def confusion(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Return the expected numbers of true positives, false positives, false negatives and true negatives."""
        yes, hits = self.rows[..., self.above].sum(axis=-1), self.positives[..., self.above].sum(axis=-1)
        no, missed = self.rows[..., ~self.above].sum(axis=-1), self.positives[..., ~self.above].sum(axis=-1)
        return hits, yes - hits, missed, no - missed

    def auc(self) -> tuple[Floats, Floats]:
        """Return the expected area under the ROC curve, and how far off it is at most.

        The order of the rows inside a bin is not known, which is all that can be off.
        """
        negatives = self.rows - self.positives
        both = self.positives.sum(axis=-1) * negatives.sum(axis=-1)
        before = np.cumsum(negatives, axis=-1) - negatives
        tied = (self.positives * negatives).sum(axis=-1) / 2.0
        return _share((self.positives * before).sum(axis=-1) + tied, both), _share(tied, both)

    def value(self, metric: str) -> Floats:
        """Return a metric of METRICS; NaN where it divides by nothing."""
        if metric == "roc_auc":
            return self.auc()[0]
        tp, fp, fn, tn = self.confusion()
        above, below = {
            "accuracy": (tp + tn, tp + fp + fn + tn),
            "f1": (2 * tp, 2 * tp + fp + fn),
            "precision": (tp, tp + fp),
            "recall": (tp, tp + fn),
        }[metric]
        return _share(above, below)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A metric as it probably is, and how far it probably fell."""

    now: Interval
    then: float  # the same for the reference's own scores
    worse: Interval  # by how much it is worse than then; below 0: better


def cbpe(layout: Layout, granule: Granule, calibrator: Calibrator) -> Promise:
    """Return what a calibrator promises for counted scores.

    Raises:
        ValueError: the layout does not have the calibrator's points as edges, or tells no classes apart.
    """
    return _Bins(layout, granule, calibrator).promise(np.asarray(calibrator.y))


def outlook(
    layout: Layout, window: Granule, reference: Granule, calibrator: Calibrator, *, metric: str, confidence: float,
    seed: int,
) -> Outlook:  # fmt: skip
    """Return a metric without labels and by how much it fell, each with an interval.

    The intervals hold the chance in which rows came, and that the calibrator was fitted on few rows; not that it may
    have become wrong.

    Args:
        layout: of the counts.
        window: counts of the rows that are looked at.
        reference: counts of the rows that the calibrator was fitted on.
        calibrator: of the reference.
        metric: one of METRICS.
        confidence: of the two-sided intervals.
        seed: of the draws.

    Raises:
        ValueError: as for `cbpe`.
    """
    generator = np.random.default_rng(seed)
    y = np.asarray(calibrator.y) + np.asarray(calibrator.sd) * generator.standard_normal((_DRAWS, len(calibrator.y)))
    y = np.clip(np.maximum.accumulate(y, axis=1), 0.0, 1.0)  # as another sample of as many rows might have given it
    bins = [_Bins(layout, one, calibrator) for one in (window, reference)]
    now, then = (float(one.promise(np.asarray(calibrator.y)).value(metric)) for one in bins)
    drawn_now, drawn_then = (one.drawn(y, generator).value(metric) for one in bins)
    reach = z_value((1.0 + confidence) / 2.0)
    return Outlook(
        now=_around(now, drawn_now, reach), then=then, worse=_around(then - now, drawn_then - drawn_now, reach)
    )


def scores_layout(layout: Layout) -> Layout:
    """Return the layout that counts nothing but scores."""
    return layout.without(axis.name for axis in layout.axes if axis.name != OUTPUT)


def scores_only(layout: Layout, granule: Granule) -> Granule:
    """Return the counts of the scores, over `scores_layout(layout)`.

    Raises:
        DetentError: the granule is of another layout.
    """
    cells_of(layout, granule, OUTPUT)
    return Granule(
        layout=scores_layout(layout).digest, rows=granule.rows, cells=granule.cells[layout.place(OUTPUT)],
        sums=granule.sums[layout.sum_place(OUTPUT)], lowest=granule.lowest[-1:], highest=granule.highest[-1:],
        novel=granule.novel[-1:],
    )  # fmt: skip


class _Bins:
    """Counted scores, and how much each bin asks of the calibrator's points before and after it."""

    def __init__(self, layout: Layout, granule: Granule, calibrator: Calibrator) -> None:
        axis = layout.axis(OUTPUT)
        if axis is None or layout.positive is None or not set(calibrator.x) <= set(axis.edges):
            raise ValueError("the layout was not made for this calibrator")
        edges, points = np.asarray(axis.edges), np.asarray(calibrator.x)
        self._rows = cells_of(layout, granule, OUTPUT).bins.astype(np.float64)
        mean = np.divide(score_sums(layout, granule), self._rows, out=np.zeros_like(self._rows), where=self._rows > 0.0)
        # A bin lies between two points, or outside of all, where the calibrator is level.
        upper = np.clip(np.searchsorted(points, np.concatenate([edges, edges[-1:]])), 0, len(points) - 1)
        upper[-1] = len(points) - 1
        lower = np.clip(upper - 1, 0, None)
        width = points[upper] - points[lower]
        self._upper, self._lower = upper, lower
        way = np.divide(mean - points[lower], width, out=np.zeros_like(mean), where=width > 0.0)
        self._way = np.clip(way, 0.0, 1.0)
        starts = np.concatenate([[-np.inf], edges])
        self._above = starts >= np.nextafter(layout.positive, -np.inf)

    def promise(self, y: Floats) -> Promise:
        """Return the expected positives for shares `y` (..., points)."""
        return Promise(rows=self._rows, positives=self._rows * self._share(y), above=self._above)

    def drawn(self, y: Floats, generator: np.random.Generator) -> Promise:
        """Return the same for as many other rows, one draw per row of `y`."""
        total = int(self._rows.sum())
        shares = self._rows / total if total else np.full(self._rows.shape, 1.0 / self._rows.size)
        rows = generator.multinomial(total, shares, size=len(y)).astype(np.float64)
        return Promise(rows=rows, positives=rows * self._share(y), above=self._above)

    def _share(self, y: Floats) -> Floats:
        return y[..., self._lower] * (1.0 - self._way) + y[..., self._upper] * self._way


def _around(value: float, drawn: Floats, reach: float) -> Interval:
    known = drawn[~np.isnan(drawn)]
    sd = float(known.std()) if known.size else float("nan")
    return Interval(value=value, low=value - reach * sd, high=value + reach * sd, sd=sd)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0.0)
