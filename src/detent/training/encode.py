"""Categories as numbers for trees: the smoothed mean of the label.

Source: Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes" (2001): a category's mean
is drawn towards the mean of all rows, the more so the fewer rows it has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

SMOOTHING = 20.0  # rows of the overall mean that are mixed into each category
FOLDS = 5
MAX_LEVELS = 5_000  # rarer categories share the overall mean, so a key column can't make a graph of its size


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """Category -> float32, with one number for everything else. Null is the category "" when training saw nulls."""

    levels: tuple[str, ...]  # sorted
    values: tuple[float, ...]  # each exactly a float32
    default: float

    def apply(self, texts: pl.Series) -> NDArray[np.float32]:
        """Return the number of each text; the exported graph does the same with a LabelEncoder."""
        table = dict(zip(self.levels, self.values, strict=True))
        return np.array([table.get(text, self.default) for text in texts.fill_null("")], dtype=np.float32)


def encode_target(texts: pl.Series, y: NDArray[np.float64]) -> tuple[NDArray[np.float32], Encoding]:
    """Return the training column and the encoding for every later row.

    A training row is encoded from the other folds' labels only (fold: row number modulo 5). With its own label inside,
    the trees would trust rare categories far too much.
    """
    codes, levels = _codes(texts)
    folds = np.arange(len(y)) % FOLDS
    sums = _per_fold(codes, folds, len(levels), weights=y)
    counts = _per_fold(codes, folds, len(levels), weights=None)
    column = np.empty(len(y), dtype=np.float32)
    for fold in range(FOLDS):
        inside = folds == fold
        others = ~inside if len(y) > FOLDS else np.ones(len(y), dtype=bool)
        prior = float(y[others].mean())
        rest_sum, rest_count = sums.sum(axis=0) - sums[fold], counts.sum(axis=0) - counts[fold]
        column[inside] = _smooth(rest_sum, rest_count, prior)[codes[inside]]
    prior = float(y.mean())
    values = _smooth(sums.sum(axis=0), counts.sum(axis=0), prior)
    kept = np.sort(np.argsort(-counts.sum(axis=0), kind="stable")[:MAX_LEVELS])
    encoding = Encoding(
        levels=tuple(levels[code] for code in kept),
        values=tuple(float(values[code]) for code in kept),
        default=float(np.float32(prior)),
    )
    return column, encoding


def _codes(texts: pl.Series) -> tuple[NDArray[np.int64], list[str]]:
    filled = texts.fill_null("")
    levels = sorted(filled.unique().to_list())
    lookup = {level: code for code, level in enumerate(levels)}
    return np.array([lookup[text] for text in filled], dtype=np.int64), levels


def _per_fold(
    codes: NDArray[np.int64], folds: NDArray[np.int64], levels: int, *, weights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    cells = np.bincount(folds * levels + codes, weights=weights, minlength=FOLDS * levels)
    return cells.reshape(FOLDS, levels).astype(np.float64)


def _smooth(sums: NDArray[np.float64], counts: NDArray[np.float64], prior: float) -> NDArray[np.float32]:
    return ((sums + SMOOTHING * prior) / (counts + SMOOTHING)).astype(np.float32)
