"""What was counted of some rows, over a layout's cells: counted, added up exactly, and read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detent.errors import DetentError
from detent.records.profile import ColumnProfile, Profile
from detent.statistics.axes import ABOVE, BELOW, NAN, NOVEL, NULL, OUTPUT, Axis, Floats
from detent.statistics.block import Ints
from detent.statistics.columns import Column
from detent.statistics.counting import NAMED, Tally
from detent.statistics.granule import Granule, bare, from_bytes, to_bytes
from detent.statistics.layout import Layout

__all__ = [
    "Cells",
    "Granule",
    "add",
    "cells_of",
    "coarsen",
    "count",
    "empty",
    "from_bytes",
    "granule_of",
    "mean",
    "profile",
    "score_sums",
    "slice_of",
    "to_bytes",
    "total",
]

_MOST = 2.0**62


@dataclass(frozen=True, slots=True)
class Cells:
    """The counts of one column."""

    bins: Ints  # per interval between the axis' edges; or per level, all other known ones last
    null: int
    nan: int
    below: int  # -inf
    above: int  # +inf
    novel: int  # levels that training did not have; of a number: values of another type


def count(layout: Layout, columns: Mapping[str, Column], score: Column | None = None) -> Granule:
    """Count rows.

    Args:
        layout: over which cells.
        columns: equally long sequences by name: lists, NumPy arrays or Polars series; the layout's inputs are needed.
        score: one per row, None where the model failed; None: the scores' axis stays empty.

    Raises:
        DetentError: a column is missing, or columns differ in length.
    """
    tally = Tally(layout)
    tally.add(columns, score)
    return granule_of(tally)


def granule_of(tally: Tally) -> Granule:
    """Return what was counted so far; the tally may go on."""
    layout, axes = tally.layout.digest, len(tally.layout.axes)
    slices = tuple(
        bare(layout, int(tally.rows[part]), tally.cells[part].copy(), tally.sums[part].copy(), axes)
        for part in range(1, len(tally.rows))
    )
    return Granule(
        layout=layout,
        rows=int(tally.rows[0]),
        cells=tally.cells[0].copy(),
        sums=tally.sums[0].copy(),
        lowest=tally.lowest.copy(),
        highest=tally.highest.copy(),
        novel=tuple(map(tuple, tally.novel)),
        slices=slices,
    )


def empty(layout: Layout) -> Granule:
    """Return the counts of no rows."""
    return granule_of(Tally(layout))


def add(a: Granule, b: Granule) -> Granule:
    """Return the counts of the rows of both.

    Raises:
        DetentError: they were counted over different layouts, or a count grows beyond 62 bits.
    """
    return total((a, b))


def total(granules: Iterable[Granule]) -> Granule:
    """Return the counts of the rows of all, whatever their order. There must be at least one.

    Raises:
        DetentError: there is none, they were counted over different layouts, or a count grows beyond 62 bits.
    """
    parts = list(granules)
    if len({part.layout for part in parts}) != 1:
        raise DetentError(
            what="these counts can't be added",
            why="they are over different layouts" if parts else "there are none",
            fix="count the rows again over one layout",
        )
    first = parts[0]
    novel = tuple(
        tuple(sorted({found for part in parts for found in part.novel[number]})[:NAMED])
        for number in range(len(first.novel))
    )
    return Granule(
        layout=first.layout,
        rows=sum(part.rows for part in parts),
        cells=_added([part.cells for part in parts]),
        sums=_added([part.sums for part in parts]),
        lowest=np.minimum.reduce([part.lowest for part in parts]),
        highest=np.maximum.reduce([part.highest for part in parts]),
        novel=novel,
        slices=tuple(total(same) for same in zip(*(part.slices for part in parts), strict=True)),
    )


def cells_of(layout: Layout, granule: Granule, name: str) -> Cells:
    """Return the counts of one column.

    Raises:
        DetentError: the column is not counted, or the granule is of another layout.
    """
    _check(layout, granule)
    axis = layout.axis(name)
    found = granule.cells[layout.place(name)]
    bins = axis.bins if axis is not None else 0
    null, nan, below, above, novel = (int(found[bins + kind]) for kind in (NULL, NAN, BELOW, ABOVE, NOVEL))
    return Cells(found[:bins], null, nan, below, above, novel)


def mean(layout: Layout, granule: Granule, name: str) -> float | None:
    """Return the mean of the finite values, those beyond 32,768 interquartile ranges cut; None when there are none."""
    axis, found = layout.axis(name), cells_of(layout, granule, name)
    finite = int(found.bins.sum())
    if axis is None or not axis.numeric or not finite:
        return None
    whole = sum(granule.sums[layout.sum_place(name)].tolist())
    return axis.centre + axis.unit * (whole / finite / 2.0**axis.bits)


def score_sums(layout: Layout, granule: Granule) -> Floats:
    """Return the sum of the scores in each bin of the scores' axis; off by at most rows * unit * 2^-bits / 2."""
    axis, found = layout.axes[-1], cells_of(layout, granule, OUTPUT)
    fixed = granule.sums[layout.sum_place(OUTPUT)]
    return found.bins * axis.centre + axis.unit * (fixed / 2.0**axis.bits)


def slice_of(layout: Layout, granule: Granule, name: str) -> Granule:
    """Return the counts of one slice, for example "origin=JFK".

    Raises:
        DetentError: the layout has no such slice.
    """
    names = layout.slice_names
    if name not in names:
        raise DetentError(
            what=f"there is no slice `{name}`",
            why=f"counted are {', '.join(names[:10]) or 'none'}",
            fix="name its column in `monitor.slices`, and train again",
        )
    return granule.slices[names.index(name)]


def coarsen(layout: Layout, granule: Granule) -> Granule:
    """Return the same counts over `layout.coarse()`, without slices.

    Raises:
        DetentError: the granule is of another layout.
    """
    _check(layout, granule)
    cells, sums, cell, place = [], [], 0, 0
    for axis in layout.axes:
        starts, width = _group_starts(axis), 0
        found = granule.cells[cell : cell + axis.cells]
        cells += [np.add.reduceat(found[: axis.bins], starts), found[axis.bins :]]
        width = axis.bins if axis.name == OUTPUT else int(axis.numeric)
        mine = granule.sums[place : place + width]
        sums.append(np.add.reduceat(mine, starts) if axis.name == OUTPUT else mine)
        cell, place = cell + axis.cells, place + width
    return Granule(
        layout=layout.coarse().digest,
        rows=granule.rows,
        cells=np.concatenate(cells),
        sums=np.concatenate(sums),
        lowest=granule.lowest,
        highest=granule.highest,
        novel=granule.novel,
    )


def profile(layout: Layout, granule: Granule) -> Profile:
    """Return the counts as a profile of about 20 bins per number; scores are left out when none were counted.

    Raises:
        DetentError: the granule is of another layout.
    """
    few, coarse = coarsen(layout, granule), layout.coarse()
    columns = []
    for axis in coarse.axes:
        found = cells_of(coarse, few, axis.name)
        counts = found.bins.tolist()
        strange = found.nan + found.above + found.below
        nulls = found.null + strange + (found.novel if axis.numeric else 0)
        if axis.name == OUTPUT and not sum(counts) + nulls:
            continue
        if not axis.numeric:
            counts[-1] += found.novel
        columns.append(
            ColumnProfile(
                name=axis.name, kind=axis.kind, edges=axis.edges, levels=axis.levels, counts=tuple(counts), nulls=nulls,
                nan=found.nan, above=found.above, below=found.below, novel=found.novel,
            )
        )  # fmt: skip
    return Profile(rows=granule.rows, columns=tuple(columns))


def _added(arrays: Sequence[Ints]) -> Ints:
    if len(arrays) == 1:
        return arrays[0]
    stacked = np.stack(arrays)
    # A float can't wrap; it is far more exact than the two powers between this bound and the end of an int64.
    if stacked.size and np.abs(stacked.astype(np.float64)).sum(axis=0).max() > _MOST:
        raise DetentError(
            what="a count grew beyond 62 bits",
            why="so many rows can't be added up without an overflow",
            fix="look at shorter windows",
        )
    return stacked.sum(axis=0)


def _group_starts(axis: Axis) -> Ints:
    """Return at which bins the groups begin that a coarse axis keeps."""
    if not axis.numeric:
        return np.arange(axis.bins)
    kept = np.searchsorted(np.array(axis.edges), np.array(axis.coarse))
    return np.concatenate([[0], kept + 1]).astype(np.int64)


def _check(layout: Layout, granule: Granule) -> None:
    if layout.digest != granule.layout:
        raise DetentError(
            what="these counts are of another layout",
            why=f"they were counted over {granule.layout[:12]}, not over {layout.digest[:12]}",
            fix="read them with the layout of the version that answered",
        )
