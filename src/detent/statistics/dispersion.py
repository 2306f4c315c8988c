"""How much more days differ than independent rows would: by so much every count is worth less than it looks.

Weather is the same for all flights of an hour. A test that takes its rows for independent is far too sure of what it
sees; dividing counts by the dispersion of days is the remedy of quasi-likelihood (McCullagh and Nelder 1989, 4.5).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detent.statistics.axes import Floats

MOST = 50.0
_DAYS = 5  # fewer tell nothing
_RARE = 1.0  # cells with fewer rows a day are taken together
_WEEK = 7
_SPARSE = 100_000


def dispersion(cells: NDArray[np.integer], days: NDArray[np.integer], hours: NDArray[np.integer] | None) -> float:
    """Return chi-square over its degrees of freedom of a column's cells by day: 1 for independent rows, 50 at most.

    Args:
        cells: (n,) the cell that each row falls into, from 0.
        days: (n,) the day of each row.
        hours: (n,) its hour of the week; days are then compared with what their hours of the week let expect.
    """
    day, count = _numbered(days)
    spent = 1 if hours is None else _WEEK
    if count < _DAYS + spent - 1:
        return 1.0
    kinds = _pooled(cells, count)
    width = int(kinds.max(initial=0)) + 1
    if width < 2:
        return 1.0
    seen = _table(day, kinds, (count, width))
    if hours is None:
        expected = seen.sum(axis=1, keepdims=True) * (seen.sum(axis=0) / seen.sum())
    else:
        hour, week = _numbered(hours)
        usual = _table(hour, kinds, (week, width))
        expected = _table(day, hour, (count, week)) @ (usual / usual.sum(axis=1, keepdims=True))
    gaps = np.divide((seen - expected) ** 2, expected, out=np.zeros_like(expected), where=expected > 0)
    return float(np.clip(gaps.sum() / ((count - spent) * (width - 1)), 1.0, MOST))


def dispersion_of_means(values: Floats, days: NDArray[np.integer]) -> float:
    """Return how much more the means of days differ than those of independent rows: 1 to 50."""
    day, count = _numbered(days)
    spread = float(values.var()) if len(values) else 0.0
    if count < _DAYS or spread <= 0.0:
        return 1.0
    rows = np.bincount(day)
    gaps = np.bincount(day, weights=values - values.mean())
    return float(np.clip((gaps**2 / rows).sum() / spread / (count - 1), 1.0, MOST))


def _pooled(cells: NDArray[np.integer], days: int) -> NDArray[np.int64]:
    """Return the cells numbered anew, rare ones as one."""
    rows = np.bincount(cells)
    rare = rows < _RARE * days
    number = np.where(rare, 0, np.cumsum(~rare))
    return _numbered(number[cells])[0]


def _numbered(values: NDArray[np.integer]) -> tuple[NDArray[np.int64], int]:
    """Return which of the different values each one is, in their order, and how many there are."""
    low = int(values.min(initial=0))
    span = int(values.max(initial=0)) - low + 1
    if span > _SPARSE + 4 * len(values):  # sorting is cheaper than a table
        kinds, found = np.unique(values, return_inverse=True)
        return found.astype(np.int64), len(kinds)
    known = np.zeros(span, dtype=np.bool_)
    known[values - low] = True
    return (np.cumsum(known, dtype=np.int64) - 1)[values - low], int(known.sum())


def _table(row: NDArray[np.integer], column: NDArray[np.integer], shape: tuple[int, int]) -> Floats:
    flat = row * shape[1] + column
    return np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
