"""Unordered levels of which only the most frequent have a cell: what may be compared, and what is new by chance."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from detent.statistics.layout import Axis

# A level this many standard deviations above the least frequent one with a cell has its cell by no accident.
CLEAR = 4.0


def comparable(
    axis: Axis, reference: NDArray[np.float64], current: NDArray[np.float64], *, new: tuple[float, float] = (0.0, 0.0)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return counts of levels that can be compared; the last entry of both holds all others.

    Which levels have a cell was decided by the reference's own counts. Those at the brink got theirs by being frequent
    in that sample, so in any other they are rarer: with 5,000 equal levels, the 200 with a cell would "drift" in each
    window. Such levels join the rest. The choice looks at both samples together, so it favours neither. Unknown levels
    are part of the rest, too: the reference's own rare levels are known only because it had them.

    Args:
        axis: of levels.
        reference: (bins,), the last for known levels without a cell.
        current: (bins,).
        new: rows with an unknown level, of both.
    """
    reference = np.append(reference[:-1], reference[-1] + new[0])
    current = np.append(current[:-1], current[-1] + new[1])
    if not (axis.others or axis.open) or reference[-1] == 0 or len(reference) == 1:
        return reference, current  # every level has a cell, so nothing was chosen
    least = float(reference[:-1].min())
    clear = least + CLEAR * sqrt(least) + CLEAR
    joined = (reference + current)[:-1] * (reference.sum() / (reference.sum() + current.sum())) < clear
    kept = np.flatnonzero(~joined)
    return _join(reference, kept), _join(current, kept)


def expected_novel(axis: Axis, reference: NDArray[np.float64], novel: float) -> float:
    """Return at most how many rows of a sample as large as the reference would have a level that it didn't have.

    Good and Turing estimate them by the number of levels that occurred once. How often each known level without a cell
    occurred is not kept, so all of them are counted, and those with a cell that seem to have occurred once.

    Args:
        axis: of levels.
        reference: (bins,) rows of the reference per level.
        novel: rows of the reference with a level that the layout doesn't know.
    """
    once = float(np.count_nonzero((reference[:-1] > 0) & (reference[:-1] <= 1)))
    rare = min(float(reference[-1]), float(len(axis.others))) if len(reference) else 0.0
    return novel + once + (float(reference[-1]) if axis.open else rare)


def _join(counts: NDArray[np.float64], kept: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.append(counts[kept], counts.sum() - counts[kept].sum())
