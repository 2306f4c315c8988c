"""Months of models that are watched, drawn as counts: many times as fast as rows, and the same law.

A column with a continuous law has reference bins of equal counts, whose true shares are spacings of uniform order
statistics, whatever the law; so heavy tails need no case of their own. The tests are those of `drift/detect.py`, for
all windows at once; `test_operating.py` shows that they give the same p-values.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special, stats

from detent.monitor.budget import Budget
from detent.statistics.ranks import superiority

BINS, DAYS = 64, 30
TESTS = 3


def continuous(rng, columns, *, reference_rows=10_000, shift=0.0, moved=1):
    """Return reference counts and the true shares of windows without and with a shift, in standard deviations."""
    each = reference_rows / BINS
    shares = rng.dirichlet(np.full(BINS, each), size=columns)
    edges = stats.norm.ppf(np.clip(np.cumsum(shares, axis=1)[:, :-1], 1e-12, 1 - 1e-12))
    after = shares.copy()
    below = stats.norm.cdf(edges[:moved] - shift)
    after[:moved] = np.diff(np.concatenate([np.zeros((moved, 1)), below, np.ones((moved, 1))], axis=1), axis=1)
    return np.full((columns, BINS), each), shares, after


def tied(rng, columns, *, reference_rows=10_000, shift=0.0, moved=0):
    """The same for columns of few values: codes, amounts that are mostly zero."""
    shares = np.zeros((columns, BINS))
    for column in range(columns):
        law = stats.poisson.pmf(np.arange(BINS), 1 + column % 5) if column % 2 else rng.dirichlet(np.full(BINS, 0.1))
        shares[column] = 0.6 * np.eye(BINS)[0] + 0.4 * law / law.sum() if column % 3 == 0 else law / law.sum()
    return rng.multinomial(reference_rows, shares).astype(float), shares, shares


def p_values(reference, windows):
    """Return p-values (days, columns) of windows (days, columns, bins), as `detect` computes them."""
    days, columns, bins = windows.shape
    n, m = reference.sum(axis=1), windows.sum(axis=2)
    gaps = np.abs((np.cumsum(reference, axis=1) / n[:, None]) - np.cumsum(windows, axis=2) / m[:, :, None]).max(axis=2)
    rows = np.maximum(1, np.round(n * m / (n + m)))
    ks = special.kolmogorov(gaps * np.sqrt(rows))
    near = (ks < 0.002) & (ks > 1e-5)  # where the limit and the finite law may decide differently
    ks[near] = stats.kstwo.sf(gaps[near], rows[near])
    flat = np.broadcast_to(reference, windows.shape).reshape(-1, bins), windows.reshape(-1, bins)
    chance, deviation = superiority(*flat)
    ranks = 2 * special.ndtr(-np.abs(chance - 0.5) / deviation)
    return np.minimum(1.0, TESTS * np.minimum(ks, ranks.reshape(days, columns)))


def any_rejected(p, level):
    """Return for each day whether Benjamini and Hochberg reject anything."""
    columns = p.shape[1]
    return (np.sort(p, axis=1) <= level * np.arange(1, columns + 1) / columns).any(axis=1)


def alarm_days(reference, days, budget: Budget, *, first: int):
    """Return for each day from `first` on whether inputs (all columns but the last) or scores (the last) alarm."""
    so_far = np.concatenate([np.zeros((1, *days.shape[1:])), np.cumsum(days, axis=0)])
    alarms = np.zeros(len(days) - first, dtype=bool)
    for scale in budget.scales:
        ends = np.arange(max(first, scale - 1), len(days)) + 1
        p = p_values(reference, so_far[ends] - so_far[ends - scale])
        found = any_rejected(p[:, :-1], budget.inputs) | (p[:, -1] <= budget.prediction)
        alarms[ends - 1 - first] |= found
    return alarms


def months(law: Callable, *, models: int, rows: int, columns: int, budget: Budget, seed: int, days=DAYS, **options):
    """Return (models, days) whether each day alarmed; four weeks of history come before."""
    found = []
    for model in range(models):
        rng = np.random.default_rng([seed, model])
        reference, before, after = law(rng, columns + 1, **options)
        history = rng.multinomial(rows, before, size=(27, columns + 1)).astype(float)
        month = rng.multinomial(rows, after, size=(days, columns + 1)).astype(float)
        found.append(alarm_days(reference, np.concatenate([history, month]), budget, first=27))
    return np.array(found)


def upper(days_per_month):
    """Return the one-sided 95 % upper bound of the mean of alarm days per month."""
    return days_per_month.mean() + 1.645 * days_per_month.std() / np.sqrt(len(days_per_month))
