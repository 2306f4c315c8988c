"""The two samples of a column that are compared: what the reference lets expect, and what was seen."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detent.monitor.drift.window import Seen, hours_of, whole_weeks
from detent.monitor.protocol import Sample
from detent.statistics.axes import OUTPUT, Axis
from detent.statistics.granules import Granule, cells_of, coarsen, slice_of, total
from detent.statistics.layout import Layout
from detent.statistics.reference import HOURS, Reference

# A window with more of its rows than this in hours that the reference has not seen is compared with all hours instead.
UNSEEN = 0.1
Season = tuple[str, int]  # column, hour of the week


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column under examination."""

    axis: Axis
    expected: Sample
    current: Sample
    rows: int  # seen, as counted


def columns_of(
    reference: Reference,
    layout: Layout,
    windows: Sequence[Seen],
    *,
    seasonal: bool,
    part: str | None = None,
    only: Container[str] | None = None,
    known: dict[Season, Sample] | None = None,
) -> list[Column]:
    """Return the columns of some windows together, beside what was expected of them.

    Rows are counted for what they are worth: where rows of a day resemble each other (weather, batches), both samples
    are divided by the reference's `inflation` of that column, the factor by which days differ more than independent
    rows would.

    Args:
        reference: what was counted at training.
        layout: over which the windows were counted: the reference's, perhaps without some columns.
        windows: at least one.
        seasonal: compare with the same hours of the week, where the reference has them.
        part: a slice, such as "origin=JFK"; None: all rows.
        only: columns that are wanted; None: all.
        known: what earlier calls about this reference made of its hours; what is made now is added.
    """
    weights = _weights(reference, windows) if seasonal and part is None else None  # slices have no seasons
    granule = total(_part(layout, window.granule, part) for window in windows)
    if weights is not None:
        granule, layout = coarsen(layout, granule), layout.coarse()
    columns, known = [], {} if known is None else known
    for axis in layout.axes:
        if reference.layout.axis(axis.name) is None or (only is not None and axis.name not in only):
            continue
        expected = _expected(reference, axis, weights, part, known)
        current = _sample(axis, layout, granule)
        worth = max(1.0, reference.inflation_of(axis.name))
        columns.append(
            Column(
                axis=axis, expected=_deflated(expected, worth), current=_deflated(current, worth),
                rows=round(current.rows),
            )
        )  # fmt: skip
    return columns


def _part(layout: Layout, granule: Granule, part: str | None) -> Granule:
    return granule if part is None else slice_of(layout, granule, part)


def _expected(
    reference: Reference,
    axis: Axis,
    weights: NDArray[np.float64] | None,
    part: str | None,
    known: dict[Season, Sample],
) -> Sample:
    granule = reference.scores if axis.name == OUTPUT else reference.inputs
    if weights is None:
        return _sample(axis, reference.layout, _part(reference.layout, granule, part))
    coarse = reference.layout.coarse()
    if axis.name == OUTPUT:
        return _sample(axis, coarse, coarsen(reference.layout, granule))
    asked = np.flatnonzero(weights)
    samples = []
    for hour in asked.tolist():
        if (axis.name, hour) not in known:
            known[axis.name, hour] = _sample(axis, coarse, reference.seasons[hour])
        samples.append(known[axis.name, hour])
    rows, wanted = np.array([sample.rows for sample in samples]), weights[asked]
    usable = rows > 0
    if not usable.any() or wanted[~usable].sum() > UNSEEN * weights.sum():
        return _sample(axis, coarse, coarsen(reference.layout, granule))
    return _mixed([sample for sample, use in zip(samples, usable, strict=True) if use], wanted[usable], rows[usable])


def _mixed(samples: Sequence[Sample], weights: NDArray[np.float64], rows: NDArray[np.float64]) -> Sample:
    """Return the mixture of some hours, with as many rows as its shares are sure: `1 / sum(w^2 / n)`."""
    weights = weights / weights.sum()
    worth = 1 / float((weights**2 / rows).sum())
    each = weights / rows * worth
    return Sample(
        bins=np.sum([sample.bins * factor for sample, factor in zip(samples, each, strict=True)], axis=0),
        missing=sum(sample.missing * factor for sample, factor in zip(samples, each, strict=True)),
        novel=sum(sample.novel * factor for sample, factor in zip(samples, each, strict=True)),
    )


def _weights(reference: Reference, windows: Sequence[Seen]) -> NDArray[np.float64] | None:
    """Return how many rows the windows have in each hour of the week; None where the reference has no seasons."""
    if len(reference.seasons) != HOURS:
        return None
    weights = np.zeros(HOURS)
    for window in windows:
        hours = hours_of(window)
        known = [reference.seasons[hour].rows for hour in hours]
        scale = window.granule.rows / sum(known) if sum(known) else 0.0
        each = window.hours if len(window.hours) == len(hours) else [rows * scale for rows in known]
        for hour, rows in zip(hours, each, strict=True):
            weights[hour] += rows
    return weights  # all zero for windows without rows, which have the same layout as the others


def _sample(axis: Axis, layout: Layout, granule: Granule) -> Sample:
    found = cells_of(layout, granule, axis.name)
    missing = found.null + found.nan + found.below + found.above
    # A text where numbers are expected is as good as missing.
    return Sample(
        bins=found.bins.astype(np.float64),
        missing=float(missing + (found.novel if axis.numeric else 0)),
        novel=0.0 if axis.numeric else float(found.novel),
    )


def _deflated(sample: Sample, worth: float) -> Sample:
    if worth == 1.0:
        return sample
    return Sample(bins=sample.bins / worth, missing=sample.missing / worth, novel=sample.novel / worth)


def scores_need_weeks(reference: Reference, windows: Sequence[Seen], scales: Sequence[int]) -> bool:
    """Tell whether the scores of these windows must wait: they have no seasons, and whole weeks will be looked at.

    The reference's scores are of the evaluation rows, which are too few to be told apart by hours of the week. Over
    whole weeks they need not be.
    """
    if len(reference.seasons) != HOURS or whole_weeks(windows):
        return False
    return any(whole_weeks(list(windows[-1:]) * scale) for scale in scales)
