"""Do two clouds of points share one law? Maximum mean discrepancy, for text and other embeddings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from detent.statistics.distances import Comparison

Floats = NDArray[np.float64]

# With more rows than this, of both together, the kernel's matrix is made block by block.
WHOLE = 4_000
BLOCK = 100
_MEDIAN_OF = 1_000


def mmd(a: Floats, b: Floats, *, seed: int, permutations: int = 200) -> Comparison:
    """Compare two samples of vectors by the unbiased maximum mean discrepancy (Gretton et al. 2012), squared.

    The kernel is Gaussian; its width is the median distance between different rows. Up to 4,000 rows together the
    p-value comes from permutations, `(1 + as large) / (1 + permutations)`: its level is exact. Beyond, the statistic is
    the mean over blocks of 100 rows (Zaremba et al. 2013), whose law is normal.

    Args:
        a: (rows, dimensions), finite.
        b: (rows, dimensions), finite.
        seed: of the permutations, and of what falls into which block.
        permutations: how many.

    Returns:
        p-value 1 when either has fewer than 2 rows.

    Raises:
        ValueError: the dimensions differ.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"vectors of the same length are compared, not {a.shape} with {b.shape}")
    if min(len(a), len(b)) < 2:
        return Comparison(statistic=0.0, p_value=1.0)
    rng = np.random.default_rng(seed)
    width = _width(np.concatenate([a, b]), rng)
    if width == 0.0:
        return Comparison(statistic=0.0, p_value=1.0)
    if len(a) + len(b) > WHOLE:
        a, b = rng.permutation(a), rng.permutation(b)
        if min(len(a), len(b)) >= 2 * BLOCK:
            return _by_blocks(a, b, width)
        # One side is too small for blocks; some rows of the other are enough to compare it with.
        most = WHOLE - min(len(a), len(b))
        a, b = a[:most], b[:most]
    return _by_permutations(np.concatenate([a, b]), len(a), width, rng, permutations)


def _by_permutations(rows: Floats, first: int, width: float, rng: np.random.Generator, permutations: int) -> Comparison:
    kernel = _kernel(rows, rows, width)
    np.fill_diagonal(kernel, 0.0)
    side = np.zeros((1 + permutations, len(rows)))
    side[0, :first] = 1.0
    for number in range(1, 1 + permutations):
        side[number, rng.permutation(len(rows))[:first]] = 1.0
    n, m = first, len(rows) - first
    within, total = side @ kernel, kernel.sum()
    aa = (within * side).sum(axis=1)
    ab = within.sum(axis=1) - aa
    bb = total - aa - 2 * ab
    values = aa / (n * (n - 1)) + bb / (m * (m - 1)) - 2 * ab / (n * m)
    # Sums in another order differ in the last bits; equal means equal.
    as_large = int((values[1:] >= values[0] - 1e-12).sum())
    return Comparison(statistic=float(values[0]), p_value=(1 + as_large) / (1 + permutations))


def _by_blocks(a: Floats, b: Floats, width: float) -> Comparison:
    blocks = min(len(a), len(b)) // BLOCK
    values = [
        _block(one, other, width)
        for one, other in zip(np.array_split(a, blocks), np.array_split(b, blocks), strict=True)
    ]
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    z = mean / (spread / np.sqrt(blocks)) if spread > 0 else 0.0
    return Comparison(statistic=mean, p_value=float(ndtr(-z)))


def _block(a: Floats, b: Floats, width: float) -> float:
    n, m = len(a), len(b)
    aa, bb = _kernel(a, a, width).sum() - n, _kernel(b, b, width).sum() - m
    return float(aa / (n * (n - 1)) + bb / (m * (m - 1)) - 2 * _kernel(a, b, width).mean())


def _kernel(a: Floats, b: Floats, width: float) -> Floats:
    return np.exp(-_squares(a, b) / (2 * width * width))


def _squares(a: Floats, b: Floats) -> Floats:
    return np.maximum((a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * a @ b.T, 0.0)


def _width(rows: Floats, rng: np.random.Generator) -> float:
    some = rows[rng.permutation(len(rows))[:_MEDIAN_OF]]
    apart = np.sqrt(_squares(some, some)[np.triu_indices(len(some), 1)])
    apart = apart[apart > 0]  # repeated rows say nothing about how far apart others are
    return float(np.median(apart)) if len(apart) else 0.0
