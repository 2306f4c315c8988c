"""How often a change is found within some windows: by drawing them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from detent.monitor.drift.changes import Change
from detent.statistics.distances import LEAST_EXPECTED
from detent.statistics.ranks import superiority

TESTS = 3  # of each column, paid for by Bonferroni: ks, ranks, nulls; or chi2, novel, nulls

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How windows are looked at."""

    scales: tuple[int, ...]
    windows: int  # that are looked at, one after the other
    rows: float  # per window, for what they are worth
    reference_rows: float
    seen: tuple[float, ...]  # per scale, share of the reference that its windows are compared with
    level: float  # chance of a false alarm of this column at a look


def found_within(change: Change, size: float, setting: Setting, *, models: int, seed: int) -> float:
    """Return the share of so many models in which a change of this size, there from the first window on, is found."""
    rng = np.random.default_rng(seed)
    windows = int(setting.windows)
    # What is known of the true shares is what the reference's rows say.
    prior = rng.dirichlet(change.shares * setting.reference_rows + 1e-6, size=models)
    shares = change.moved(prior, size)
    shares = shares / shares.sum(axis=1, keepdims=True)
    rows = max(1, round(setting.rows))
    counts = rng.multinomial(rows, shares[:, None, :], size=(models, windows)).astype(np.float64)
    so_far = np.concatenate([np.zeros((models, 1, counts.shape[2])), np.cumsum(counts, axis=1)], axis=1)
    found = np.zeros(models, dtype=bool)
    for scale, seen in zip(setting.scales, setting.seen, strict=True):
        if scale > windows:
            continue
        sums = so_far[:, scale:] - so_far[:, :-scale]
        expected = change.shares * setting.reference_rows * seen
        flat = sums.reshape(-1, sums.shape[2])
        test = _ordered if change.ordered else _unordered
        found |= test(expected, flat, setting.level / TESTS).reshape(models, -1).any(axis=1)
    return float(found.mean())


def _ordered(expected: Floats, counts: Floats, level: float) -> NDArray[np.bool_]:
    n, m = expected.sum(), counts.sum(axis=1)[0]
    gap = np.abs(np.cumsum(expected) / n - np.cumsum(counts, axis=1) / m).max(axis=1)
    chance, deviation = superiority(expected, counts)
    return (gap >= _largest_gap(level, max(1, round(n * m / (n + m))))) | (
        np.abs(chance - 0.5) / deviation >= stats.norm.isf(level / 2)
    )


@cache
def _largest_gap(level: float, rows: int) -> float:
    return float(stats.kstwo.isf(level, rows))


def _unordered(expected: Floats, counts: Floats, level: float) -> NDArray[np.bool_]:
    n, m = expected.sum(), counts.sum(axis=1)[0]
    usual = (expected + counts.mean(axis=0)) * min(n, m) / (n + m) >= LEAST_EXPECTED
    kept = np.flatnonzero(usual)
    reference = np.append(expected[kept], n - expected[kept].sum())
    current = np.concatenate([counts[:, kept], (m - counts[:, kept].sum(axis=1))[:, None]], axis=1)
    both = reference + current
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = (current - both * m / (n + m)) ** 2 / (both * n * m / (n + m) ** 2)
    statistic = np.where(both > 0, parts, 0.0).sum(axis=1)
    freedom = max(1, int((both > 0).any(axis=0).sum()) - 1)
    return statistic >= stats.chi2.isf(level, freedom)
