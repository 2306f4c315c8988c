"""How large the errors of a regression model probably are when no truth is known: what the counts of a window promise.

A loss model says what an answer's loss probably is: a mean, and what each column's cell adds (`loss_fit`). The mean
over a window is linear in the counts of its columns, so it follows from them exactly, whichever processes counted. It
sees that there are more rows of the kind that errs more; it can't see that the same rows now err more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from types import MappingProxyType

import numpy as np
from scipy.special import stdtrit

from detent.statistics.axes import SPECIAL, Axis, Floats
from detent.statistics.block import Ints
from detent.statistics.cbpe import Outlook
from detent.statistics.granules import Granule, cells_of
from detent.statistics.intervals import Interval
from detent.statistics.jackknife import jackknife
from detent.statistics.layout import Layout
from detent.statistics.reference import LossModel

# What a row's error costs; the metric is the mean of it, and for "rmse" the root of that.
LOSSES: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType({"mae": np.abs, "rmse": np.square})
MOST_LEVELS = 20  # levels of a text that are told apart; the others are one cell


def groups_of(axis: Axis) -> int:
    """Return how many cells of an axis are told apart."""
    return int(grouped_cells(axis)[-1]) + 1


def grouped_cells(axis: Axis) -> Ints:
    """Return for each cell of an axis which of those told apart it is.

    Of a number: about 20 of equal mass, and in the first and the last of them all cells, for that is where rows go when
    they move. Of levels: the 20 most frequent, and one for all others. The special cells of each.
    """
    if axis.numeric:
        edges, coarse = np.asarray(axis.edges), np.asarray(axis.coarse)
        kept = np.isin(edges, coarse)
        if len(coarse):
            kept |= (edges < coarse[0]) | (edges > coarse[-1])
        bins = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    else:
        bins = np.minimum(np.arange(axis.bins), MOST_LEVELS)
    return np.concatenate([bins, bins[-1] + 1 + np.arange(SPECIAL)])


def shares_of(layout: Layout, granule: Granule, name: str) -> Floats:
    """Return the share of a column's rows in each cell that is told apart; zeros where nothing was counted."""
    axis = layout.axis(name)
    found = cells_of(layout, granule, name)
    assert axis is not None
    counts = np.concatenate([found.bins, [found.null, found.nan, found.below, found.above, found.novel]])
    sums = np.bincount(grouped_cells(axis), weights=counts, minlength=groups_of(axis))
    return sums / max(1.0, sums.sum())


def outlook(layout: Layout, window: Granule, model: LossModel, *, confidence: float) -> Outlook:
    """Return a metric without labels and by how much it is worse than on the rows of the model, with intervals.

    The intervals hold the chance in which rows came, and that the loss model was fitted on few rows: it is fitted anew
    without each tenth of them (the grouped jackknife), and the quantile is Student's. They do not hold that what makes
    rows err may have become another thing.

    Args:
        layout: of the counts: that of the model, with all of its columns or without some.
        window: counts of the rows that are looked at.
        model: for the metric that is asked for.
        confidence: of the two-sided intervals.

    Raises:
        DetentError: the granule is of another layout.
    """
    counted = {axis.name for axis in layout.axes}
    moved, fits, varied = 0.0, np.zeros(len(model.left_out)), 0.0
    for term in model.terms:
        if term.name not in counted:  # a masked input: it is taken to look as before
            continue
        shares, adds = shares_of(layout, window, term.name), np.asarray(term.adds)
        here = float(shares @ adds)
        moved += here
        fits += np.asarray(term.left_out) @ shares
        varied += float(shares @ (adds * adds)) - here * here
    chance = model.spread * max(0.0, varied) / max(1, window.rows)
    reach = float(stdtrit(max(1, len(fits) - 1), (1.0 + confidence) / 2.0))
    now = _interval(model, moved, sqrt(chance + jackknife(fits + np.asarray(model.left_out))), reach)
    then = _metric(model, model.base)
    gap = _interval(model, moved, sqrt(chance + jackknife(fits)), reach)
    worse = Interval(value=gap.value - then, low=gap.low - then, high=gap.high - then, sd=gap.sd)
    return Outlook(now=now, then=then, worse=worse)


def unseen(layout: Layout, window: Granule, model: LossModel) -> tuple[str, float]:
    """Return the column with the largest share of rows in cells that the loss model was not fitted on, and that share.

    ("", 0.0) where the model has no columns.
    """
    found = [("", 0.0)]
    for term in model.terms:
        if layout.axis(term.name) is not None:
            new = np.asarray(term.rows) == 0
            found.append((term.name, float(shares_of(layout, window, term.name)[new].sum())))
    return max(found, key=lambda one: one[1])


def _interval(model: LossModel, moved: float, sd: float, reach: float) -> Interval:
    steps = (0.0, -reach * sd, reach * sd, -sd, sd)
    value, low, high, less, more = (_metric(model, model.base + moved + step) for step in steps)
    return Interval(value=value, low=low, high=high, sd=(more - less) / 2.0)


def _metric(model: LossModel, mean: float) -> float:
    return sqrt(max(0.0, mean)) if model.metric == "rmse" else max(0.0, mean)
