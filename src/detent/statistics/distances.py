"""How far two samples are apart, from counts over the same bins, and the law of each distance when nothing changed.

All functions take the counts of the reference first. A constant threshold on any of these numbers is a trap: what
chance alone produces depends on the number of rows, so every distance comes with a p-value or with its null law.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import chdtrc, kolmogorov, ndtr, rel_entr, xlogy

# Pearson's chi-square law is trusted for a cell with at least this many expected rows (Cochran's rule).
LEAST_EXPECTED = 5.0
# A numeric bin that held less than this share of the reference is "as good as unseen" and is never blended with a
# neighbour.
RARE_SHARE = 0.002
# A p-value above this is no evidence at any level that is used.
DOUBTLESS = 0.2
_MANY_ROWS, _TAIL = 2_000, 2.2  # of the largest gap: from here on, and from `rows * gap^2`, its tail has a formula


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A two-sample test: the statistic, and the chance of one at least as large when both samples share one law."""

    statistic: float
    p_value: float


def psi(expected_counts: ArrayLike, counts: ArrayLike, *, smoothing: float = 0.5) -> float:
    """Return the population stability index `sum (p - q) ln(p / q)` over bins, in nats; 0 for equal shares.

    Shares are smoothed, `(c + smoothing) / (n + smoothing * B)` (1/2 is Jeffreys' prior), so that an empty bin has a
    finite price. Bins that are empty on both sides say nothing and are left out: smoothing them would invent a
    difference when the samples differ in size. 0 when either sample is empty.
    """
    reference, current = _occupied(expected_counts, counts)
    if reference.sum() == 0 or current.sum() == 0:
        return 0.0
    bins = len(reference)
    p = (reference + smoothing) / (reference.sum() + smoothing * bins)
    q = (current + smoothing) / (current.sum() + smoothing * bins)
    return float(np.sum((p - q) * np.log(p / q)))


def psi_debiased(expected_counts: ArrayLike, counts: ArrayLike) -> float:
    """Return PSI minus what chance alone adds on average, `(B - 1)(1/n + 1/m)`, and at least 0: an effect size.

    Unlike the raw PSI it means the same at 200 rows and at 200,000.
    """
    reference, current = _occupied(expected_counts, counts)
    n, m = reference.sum(), current.sum()
    if n == 0 or m == 0:
        return 0.0
    return max(0.0, psi(reference, current) - (len(reference) - 1) * (1 / n + 1 / m))


def ks_from_counts(expected_counts: ArrayLike, counts: ArrayLike) -> Comparison:
    """Compare two samples by the largest gap between their cumulative shares at the bin edges (Kolmogorov-Smirnov).

    The gap between edges is not seen, so the statistic is a lower bound of the exact one (off by at most the heaviest
    bin's share; exact when each bin holds one value), and the p-value, from the two-sided finite-n law that
    `scipy.stats.ks_2samp(method="asymp")` uses, is never too small.
    """
    reference, current = _pair(expected_counts, counts)
    n, m = reference.sum(), current.sum()
    if n == 0 or m == 0:
        return Comparison(statistic=0.0, p_value=1.0)
    gap = float(np.max(np.abs(np.cumsum(reference) / n - np.cumsum(current) / m)))
    return Comparison(statistic=gap, p_value=_ks_p_value(gap, max(1.0, round(n * m / (n + m)))))


def _ks_p_value(gap: float, rows: float) -> float:
    """Return the chance of such a gap or a larger one between a law and so many rows from it.

    The limit law is never below the finite one and a thousand times as fast: enough to see that nothing is there. The
    exact law takes a step per row; for many rows a formula stands for its tail (Maag and Dicaire 1971, doubled), which
    is too large by 0.13 % at 2,000 rows and p = 0.005, and by less with more rows.
    """
    limit = float(kolmogorov(gap * np.sqrt(rows)))
    if limit > DOUBTLESS:
        return limit
    if rows >= _MANY_ROWS and rows * gap * gap >= _TAIL:
        return float(2 * np.exp(-((6 * rows * gap + 1) ** 2) / (18 * rows)))
    return float(stats.kstwo.sf(gap, rows))


def chi2_homogeneity(expected_counts: ArrayLike, counts: ArrayLike, *, least: float = LEAST_EXPECTED) -> Comparison:
    """Compare two samples over unordered levels: Pearson's two-sample chi-square, without continuity correction.

    Levels too rare for the chi-square law (`pool_rare`) are pooled. When even the pool is too small, it is judged by an
    exact test against all other levels, and the two p-values are combined by Bonferroni: one unseen level in 100,000
    rows is no alarm, thirty in 200 are.
    """
    reference, current = pool_rare(expected_counts, counts, least=least)
    n, m = reference.sum(), current.sum()
    if n == 0 or m == 0:
        return Comparison(statistic=0.0, p_value=1.0)
    pool_expected = (reference[-1] + current[-1]) * min(n, m) / (n + m)
    if pool_expected >= least or pool_expected == 0:
        return _pearson(reference, current)
    kept = _pearson(reference[:-1], current[:-1])
    unseen = two_proportions(int(reference[-1]), int(n), int(current[-1]), int(m))
    return Comparison(statistic=kept.statistic, p_value=min(1.0, 2 * min(kept.p_value, unseen)))


def g_test(expected_counts: ArrayLike, counts: ArrayLike, *, least: float = LEAST_EXPECTED) -> Comparison:
    """Compare two samples over unordered levels by the likelihood ratio (G), rare levels pooled as in `pool_rare`.

    It has the chi-square's law and agrees with it closely; `chi2_homogeneity` keeps its level with fewer rows.
    """
    reference, current = _occupied(*pool_rare(expected_counts, counts, least=least))
    n, m = reference.sum(), current.sum()
    if n == 0 or m == 0 or len(reference) < 2:
        return Comparison(statistic=0.0, p_value=1.0)
    both = (reference + current) / (n + m)
    statistic = max(
        0.0, float(2 * (xlogy(reference, reference / (n * both)) + xlogy(current, current / (m * both))).sum())
    )
    return Comparison(statistic=statistic, p_value=float(chdtrc(len(reference) - 1, statistic)))


def jensen_shannon(expected_counts: ArrayLike, counts: ArrayLike) -> float:
    """Return the Jensen-Shannon distance, the root of the divergence in bits: 0 (equal shares) .. 1 (nothing shared).

    Near 0 the divergence in nats is an eighth of the unsmoothed PSI, and has its law.
    """
    p, q = _shares(expected_counts, counts)
    middle = (p + q) / 2
    occupied = middle > 0
    divergence = (rel_entr(p, middle)[occupied].sum() + rel_entr(q, middle)[occupied].sum()) / (2 * np.log(2))
    return float(np.sqrt(max(0.0, divergence)))


def hellinger(expected_counts: ArrayLike, counts: ArrayLike) -> float:
    """Return Hellinger's distance, 0 (equal shares) .. 1 (nothing shared)."""
    p, q = _shares(expected_counts, counts)
    return float(np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2))


def largest_gap(expected_counts: ArrayLike, counts: ArrayLike) -> float:
    """Return the largest difference between the two shares of a level or bin (L-infinity), 0..1."""
    p, q = _shares(expected_counts, counts)
    return float(np.abs(p - q).max(initial=0.0))


def wasserstein(edges: Sequence[float], expected_counts: ArrayLike, counts: ArrayLike) -> NDArray[np.float64]:
    """Return Wasserstein's distance in units of the column: how far values moved, on average over rows.

    Rows are spread evenly over their bin, and what lies beyond the outermost edges counts as lying there: one absurd
    value can't carry the distance away. Bins are `edges[i-1] < x <= edges[i]`, open at both ends.

    Args:
        edges: ascending, one fewer than bins.
        expected_counts: (..., bins) of the reference.
        counts: (..., bins).

    Returns:
        One distance per row of counts; 0 for fewer than two edges or an empty sample.
    """
    reference, current = np.asarray(expected_counts, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    n, m = reference.sum(axis=-1, keepdims=True), current.sum(axis=-1, keepdims=True)
    gaps = np.cumsum(reference, axis=-1) / np.maximum(n, 1e-300) - np.cumsum(current, axis=-1) / np.maximum(m, 1e-300)
    left, right = gaps[..., :-2], gaps[..., 1:-1]
    size = np.abs(left) + np.abs(right)
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = np.where(size > 0, (left**2 + right**2) / (2 * size), 0.0)
    area = np.where(left * right < 0, crossing, size / 2) * np.diff(np.asarray(edges, dtype=np.float64))
    return np.where((n[..., 0] > 0) & (m[..., 0] > 0), area.sum(axis=-1), 0.0)


def two_proportions(successes: int, rows: int, other_successes: int, other_rows: int) -> float:
    """Return the two-sided p-value of two equal shares: pooled z test, or Fisher's exact test when a cell is small."""
    total, both = rows + other_rows, successes + other_successes
    if rows == 0 or other_rows == 0 or both in (0, total):
        return 1.0
    if min(rows, other_rows) * min(both, total - both) / total < LEAST_EXPECTED:
        return _fisher(successes, rows, both, total)
    share = both / total
    deviation = np.sqrt(share * (1 - share) * (1 / rows + 1 / other_rows))
    return float(2 * ndtr(-abs(successes / rows - other_successes / other_rows) / deviation))


def pool_rare(
    expected_counts: ArrayLike, counts: ArrayLike, *, least: float = LEAST_EXPECTED
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pool unordered levels that are rare in both samples together; the pool is the last entry of both results.

    A level is rare when the smaller sample would expect fewer than `least` rows of it from the pooled shares. Pooled
    shares don't say which sample a row came from, so choosing by them doesn't bias the test.
    """
    reference, current = _pair(expected_counts, counts)
    n, m = reference.sum(), current.sum()
    if n == 0 or m == 0:
        return reference, current
    rare = (reference + current) * min(n, m) / (n + m) < least
    return _regroup(reference, ~rare, rare), _regroup(current, ~rare, rare)


def coarsen(
    expected_counts: ArrayLike, counts: ArrayLike, *, least: float = LEAST_EXPECTED
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Join neighbouring numeric bins until the smaller sample expects at least `least` rows in each.

    Bins (nearly) unseen in the reference are not blended into a neighbour, where they would drown: they are pooled as
    the last entry of both results. The grouping depends on the current sample by its size only.
    """
    reference, current = _pair(expected_counts, counts)
    n, m = reference.sum(), current.sum()
    if n == 0 or m == 0:
        return reference, current
    rare = reference < RARE_SHARE * n
    groups = _groups(reference[~rare] * (min(n, m) / n), least)
    return _join(reference, rare, groups), _join(current, rare, groups)


def _fisher(successes: int, rows: int, both: int, total: int) -> float:
    """Return Fisher's two-sided p-value.

    The chance of all tables with these margins that are no likelier than this one.
    """
    possible = np.arange(max(0, both - (total - rows)), min(rows, both) + 1)
    chances = stats.hypergeom.pmf(possible, total, both, rows)
    seen = chances[successes - possible[0]]
    # Equally likely tables on the other side differ by rounding; scipy allows for the same.
    return float(min(1.0, chances[chances <= seen * (1 + 1e-7)].sum()))


def _join(sample: NDArray[np.float64], rare: NDArray[np.bool_], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    joined = np.bincount(groups, weights=sample[~rare]).astype(np.float64)
    return np.append(joined, sample[rare].sum())


def _groups(expected: NDArray[np.float64], least: float) -> NDArray[np.int64]:
    """Number neighbouring bins by the group they fall into; what is left over at the end joins the last group."""
    group, filled = 0, 0.0
    numbers = np.zeros(len(expected), dtype=np.int64)
    for index, rows in enumerate(expected):
        if filled >= least:
            group, filled = group + 1, 0.0
        numbers[index] = group
        filled += rows
    if group > 0 and filled < least:
        numbers[numbers == group] = group - 1
    return numbers


def _pearson(reference: NDArray[np.float64], current: NDArray[np.float64]) -> Comparison:
    reference, current = _occupied(reference, current)
    n, m = reference.sum(), current.sum()
    if n == 0 or m == 0 or len(reference) < 2:
        return Comparison(statistic=0.0, p_value=1.0)
    totals = reference + current
    expected_reference, expected_current = totals * n / (n + m), totals * m / (n + m)
    statistic = float(
        np.sum((reference - expected_reference) ** 2 / expected_reference)
        + np.sum((current - expected_current) ** 2 / expected_current)
    )
    return Comparison(statistic=statistic, p_value=float(chdtrc(len(reference) - 1, statistic)))


def _regroup(sample: NDArray[np.float64], kept: NDArray[np.bool_], pooled: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.append(sample[kept], sample[pooled].sum())


def _pair(expected_counts: ArrayLike, counts: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    reference, current = np.asarray(expected_counts, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if reference.shape != current.shape or reference.ndim != 1:
        raise ValueError(f"counts over the same bins are compared, not {reference.shape} with {current.shape}")
    return reference, current


def _shares(expected_counts: ArrayLike, counts: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both as shares; an empty sample has the other's shares, and so no distance to it."""
    reference, current = _pair(expected_counts, counts)
    n, m = reference.sum(), current.sum()
    if n == 0 or m == 0:
        return np.zeros_like(reference), np.zeros_like(reference)
    return reference / n, current / m


def _occupied(expected_counts: ArrayLike, counts: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    reference, current = _pair(expected_counts, counts)
    occupied = (reference + current) > 0
    return reference[occupied], current[occupied]


def benjamini_hochberg(p_values: Sequence[float], level: float) -> list[bool]:
    """Say which hypotheses are rejected so that the expected share of false ones among them is at most `level`.

    Where nothing is true it is also the chance of rejecting anything at all. Benjamini and Hochberg (1995).
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    passed = [rank for rank, index in enumerate(order, start=1) if p_values[index] <= level * rank / len(p_values)]
    rejected = set(order[: max(passed, default=0)])
    return [index in rejected for index in range(len(p_values))]
