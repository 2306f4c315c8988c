"""Since when a column has been different, as far as windows tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from detent.monitor.drift.samples import Column


def first_window(columns: Sequence[Column]) -> int:
    """Return the position of the first window of the shift that ends with the last window.

    Of all places to cut the windows in two it is the one that explains the counts best: what came before belongs to the
    reference, what came after has one law of its own (the largest likelihood ratio, Page 1954).

    Args:
        columns: the same column in each window, oldest first; at least one.
    """
    reference = columns[0].expected.bins
    whole = np.sum([column.current.bins for column in columns], axis=0)
    if len(columns) == 1 or reference.sum() == 0 or whole.sum() == 0:
        return len(columns) - 1
    counts = np.array([_cells(column, reference, whole) for column in columns])
    before = _cells_of_reference(columns[0], reference, whole) + np.cumsum(counts, axis=0) - counts
    after = np.cumsum(counts[::-1], axis=0)[::-1]
    return int(np.argmax(_likelihood(before) + _likelihood(after)))


def _cells(column: Column, reference: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the counts of a window over few bins, the same for all windows, and those that hold no value."""
    groups = _groups(column, reference, whole)
    binned = np.bincount(groups, weights=column.current.bins)
    return np.append(binned, [column.current.missing, column.current.novel])


def _cells_of_reference(
    column: Column, reference: NDArray[np.float64], whole: NDArray[np.float64]
) -> NDArray[np.float64]:
    binned = np.bincount(_groups(column, reference, whole), weights=reference)
    return np.append(binned, [column.expected.missing, column.expected.novel])


def _groups(column: Column, reference: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return a number from 0 for each bin: bins of one number are looked at together."""
    axis = column.axis
    if not axis.numeric:
        order = np.argsort(-(reference + whole), kind="stable")
        rank = np.empty(len(order), dtype=np.intp)
        rank[order] = np.arange(len(order))
        return np.minimum(rank, 9)
    starts = np.searchsorted(axis.edges, axis.coarse) + 1
    return np.searchsorted(starts, np.arange(len(reference)), side="right").astype(np.intp)


def _likelihood(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest log-likelihood of each row of counts."""
    return xlogy(counts, counts).sum(axis=1) - xlogy(counts.sum(axis=1), counts.sum(axis=1))
