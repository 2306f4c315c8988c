"""A second opinion from rows that were kept: exact tests of each column, and of all columns together. Pure.

They are for reports. Alarms come from counts, whose budget these tests don't share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from detent.statistics.classifier import FOLDS, separability
from detent.statistics.distances import Comparison, chi2_homogeneity, g_test, hellinger, jensen_shannon, largest_gap
from detent.statistics.intervals import Interval
from detent.statistics.kernel import mmd

Floats = NDArray[np.float64]

LEVELS = 20  # of a column of levels that a classifier sees
APART = 0.02  # an AUC whose lower bound is this far above 0.5 is a change; nearer, it matters to nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """One column, compared row by row."""

    column: str
    test: str  # "ks" of numbers | "chi2" of levels
    statistic: float
    p_value: float
    distances: tuple[
        tuple[str, float], ...
    ]  # numbers: wasserstein, energy, cvm; levels: g, jensen_shannon, hellinger, l_infinity


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """All columns, compared together."""

    auc: Interval  # with which a model tells the two apart
    apart: bool  # its lower bound is above 0.52


def exact(reference: pl.DataFrame, rows: pl.DataFrame) -> tuple[Exact, ...]:
    """Compare each column that both have; null, NaN and infinities are left out. Columns without values are, too.

    Args:
        reference: kept rows of the training data.
        rows: rows of a window.
    """
    found = []
    for name in reference.columns:
        if name not in rows.columns:
            continue
        one, other = reference[name].drop_nulls(), rows[name].drop_nulls()
        if one.dtype.is_numeric() and other.dtype.is_numeric():
            a, b = (_finite(series) for series in (one, other))
            if len(a) and len(b):
                found.append(_numbers(name, a, b))
        elif len(one) and len(other):
            found.append(_levels(name, one.cast(pl.String), other.cast(pl.String)))
    return tuple(found)


def together(reference: pl.DataFrame, rows: pl.DataFrame, *, seed: int) -> Together | None:
    """Ask whether a model can tell the rows of a window from those of training: it sees how columns go together.

    None when either has fewer than 10 rows, or they share no column.
    """
    names = [name for name in reference.columns if name in rows.columns]
    if not names or min(reference.height, rows.height) < 2 * FOLDS:
        return None
    both = _matrix(reference, rows, names)
    auc = separability(both[: reference.height], both[reference.height :], seed=seed)
    return Together(auc=auc, apart=auc.low > 0.5 + APART)


def embedding(
    reference: pl.DataFrame, rows: pl.DataFrame, columns: Sequence[str], *, seed: int, permutations: int = 200
) -> Comparison:
    """Compare number columns that are one embedding, by `kernel.mmd`; rows with a missing value are left out."""
    a, b = (frame.select(columns).drop_nulls().to_numpy().astype(np.float64) for frame in (reference, rows))
    whole = [cloud[np.isfinite(cloud).all(axis=1)] for cloud in (a, b)]
    return mmd(*whole, seed=seed, permutations=permutations)


def _numbers(name: str, a: Floats, b: Floats) -> Exact:
    test = stats.ks_2samp(a, b)
    return Exact(
        column=name,
        test="ks",
        statistic=float(test.statistic),  # pyright: ignore[reportAttributeAccessIssue]
        p_value=float(test.pvalue),  # pyright: ignore[reportAttributeAccessIssue]
        distances=(
            ("wasserstein", float(stats.wasserstein_distance(a, b))),
            ("energy", float(stats.energy_distance(a, b))),
            ("cvm", float(stats.cramervonmises_2samp(a, b).statistic)),
        ),
    )


def _levels(name: str, one: pl.Series, other: pl.Series) -> Exact:
    levels = sorted({*one.unique().to_list(), *other.unique().to_list()})
    counts = [
        [found.get(level, 0) for level in levels]
        for found in (dict(series.value_counts().iter_rows()) for series in (one, other))
    ]
    test = chi2_homogeneity(*counts)
    return Exact(
        column=name,
        test="chi2",
        statistic=test.statistic,
        p_value=test.p_value,
        distances=(
            ("g", g_test(*counts).statistic),
            ("jensen_shannon", jensen_shannon(*counts)),
            ("hellinger", hellinger(*counts)),
            ("l_infinity", largest_gap(*counts)),
        ),
    )


def _finite(series: pl.Series) -> Floats:
    values = series.cast(pl.Float64).to_numpy()
    return values[np.isfinite(values)]


def _matrix(reference: pl.DataFrame, rows: pl.DataFrame, names: Sequence[str]) -> Floats:
    """Return both tables as one of finite numbers: the median and a flag for what is missing, one column per level."""
    columns = []
    for name in names:
        one, other = reference[name], rows[name]
        if one.dtype.is_numeric() and other.dtype.is_numeric():
            values = np.concatenate([series.cast(pl.Float64).fill_null(np.nan).to_numpy() for series in (one, other)])
            missing = ~np.isfinite(values)
            middle = float(np.median(values[~missing])) if not missing.all() else 0.0
            columns += [np.where(missing, middle, values), missing.astype(np.float64)]
            continue
        texts = pl.concat([one.cast(pl.String), other.cast(pl.String)])
        frequent = texts.drop_nulls().value_counts(sort=True)[texts.name].to_list()[:LEVELS]
        columns += [(texts == level).fill_null(value=False).to_numpy().astype(np.float64) for level in sorted(frequent)]
    kept = [column for column in columns if column.min() < column.max()]
    return np.stack(kept, axis=1) if kept else np.zeros((reference.height + rows.height, 1))
