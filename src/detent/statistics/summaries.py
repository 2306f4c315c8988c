"""Mergeable summaries of rows: counts over bins that the reference fixed once.

Fixed bins make a summary exact, independent of the order of rows and of how they were split over processes, and every
distance of `distances.py` a function of it. Quantile sketches are neither; see Karnin, Lang and Liberty (2016) for
those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.errors import DetentError
from detent.records.profile import ColumnProfile, Profile
from detent.records.signature import BOOLEAN, INTEGER, NUMBER
from detent.statistics.axes import ABOVE, BELOW, NAN
from detent.statistics.block import special
from detent.statistics.columns import numbers

BOOLEAN_LEVELS = ("false", "true")


def summarise(
    columns: Mapping[str, Sequence[object]],
    signature: Sequence[tuple[str, str]],
    *,
    like: Profile | None = None,
    bins: int = 20,
    levels: int = 50,
) -> Profile:
    """Count rows per bin or level, column by column.

    Args:
        columns: equally long sequences by name: lists, numpy arrays or Polars series; columns that `signature` doesn't
            name are left out.
        signature: (name, kind) of each column to summarise, with the model's output as ("prediction", "number").
        like: reuse the bins and levels of this profile, so that the two can be compared and merged. A column it doesn't
            have, or has with another kind, gets bins of its own.
        bins: about so many bins of equal mass for a number; a value that fills a bin alone gets its own.
        levels: most levels kept for a string; the rest is counted as one.

    Raises:
        DetentError: a column of the signature is missing, or columns differ in length.
    """
    rows = _rows(columns, signature)
    profiles = []
    for name, kind in signature:
        known = like.column(name) if like is not None else None
        known = known if known is not None and known.kind == kind else None
        if kind in (NUMBER, INTEGER):
            profiles.append(_summarise_numbers(name, kind, columns[name], known, bins))
        else:
            profiles.append(_summarise_levels(name, kind, columns[name], known, levels))
    return Profile(rows=rows, columns=tuple(profiles))


def merge(a: Profile, b: Profile) -> Profile:
    """Add two profiles over the same bins: the profile of all their rows.

    Raises:
        DetentError: columns, bins or levels differ (profiles merge when both were made `like` the same reference).
    """
    shapes = [[(c.name, c.kind, c.edges, c.levels) for c in profile.columns] for profile in (a, b)]
    if shapes[0] != shapes[1]:
        differing = sorted({c.name for c in a.columns} ^ {c.name for c in b.columns}) or [
            one[0] for one, other in zip(*shapes, strict=True) if one != other
        ]
        raise DetentError(
            what="two profiles over different bins can't be merged",
            why=f"they differ in {', '.join(differing[:5])}",
            fix="summarise both with `like` set to the same reference profile",
        )
    columns = tuple(
        ColumnProfile(
            name=one.name,
            kind=one.kind,
            edges=one.edges,
            levels=one.levels,
            counts=tuple(x + y for x, y in zip(one.counts, other.counts, strict=True)),
            nulls=one.nulls + other.nulls,
            nan=one.nan + other.nan,
            above=one.above + other.above,
            below=one.below + other.below,
            novel=one.novel + other.novel,
        )
        for one, other in zip(a.columns, b.columns, strict=True)
    )
    return Profile(rows=a.rows + b.rows, columns=columns)


def _rows(columns: Mapping[str, Sequence[object]], signature: Sequence[tuple[str, str]]) -> int:
    missing = [name for name, _ in signature if name not in columns]
    if missing:
        raise DetentError(
            what=f"column `{missing[0]}` can't be summarised: it is not there",
            why=f"the signature names it; the rows have {', '.join(sorted(columns)) or 'no columns'}",
            fix="pass every column of the signature, with nulls where a value is unknown",
        )
    lengths = {name: len(columns[name]) for name, _ in signature}
    if len(set(lengths.values())) > 1:
        raise DetentError(
            what="columns of different length can't be summarised",
            why=", ".join(f"{name}: {length}" for name, length in list(lengths.items())[:5]),
            fix="pass one value per row in every column, with nulls where a value is unknown",
        )
    return next(iter(lengths.values()), 0)


def _summarise_numbers(
    name: str, kind: str, column: Sequence[object], known: ColumnProfile | None, bins: int
) -> ColumnProfile:
    values = _numbers(column)
    finite = values[np.isfinite(values)]
    strange = special(numbers(column))
    edges = np.array(known.edges) if known is not None else _quantile_edges(finite, bins, whole=kind == INTEGER)
    counts = np.bincount(np.searchsorted(edges, finite, side="left"), minlength=len(edges) + 1)
    return ColumnProfile(
        name=name,
        kind=kind,
        edges=tuple(edges.tolist()),
        levels=(),
        counts=tuple(counts.tolist()),
        nulls=len(values) - len(finite),
        nan=int(strange[NAN].sum()),
        above=int(strange[ABOVE].sum()),
        below=int(strange[BELOW].sum()),
    )


def _quantile_edges(finite: NDArray[np.float64], bins: int, *, whole: bool) -> NDArray[np.float64]:
    """Return ascending edges of about equal mass; every edge is a value that occurred, or lies just below an atom.

    A value that is two quantiles at once holds at least a bin of mass. An edge just below it gives it a bin of its own,
    so that the rows below it are not lost in its mass (zero-inflated amounts, constant columns, integer codes).
    """
    if len(finite) == 0:
        return np.empty(0)
    # Adding 0.0 turns -0.0 into 0.0: which of the two a sort puts first depends on the order of rows.
    ordered = np.sort(finite) + 0.0
    ranks = -(-len(ordered) * np.arange(1, bins) // bins) - 1
    edges, repeats = np.unique(ordered[ranks], return_counts=True)
    atoms = edges[repeats > 1]
    with np.errstate(over="ignore"):  # below the smallest float lies -inf, which is dropped
        below = atoms - 1 if whole else np.nextafter(atoms, -np.inf)
    return np.unique(np.concatenate([edges, below[np.isfinite(below)]]))


def _summarise_levels(
    name: str, kind: str, column: Sequence[object], known: ColumnProfile | None, most: int
) -> ColumnProfile:
    texts = _texts(column, boolean=kind == BOOLEAN)
    counted = texts.drop_nulls().value_counts(name="rows")
    found = dict(zip(counted[texts.name].to_list(), counted["rows"].to_list(), strict=True))
    if known is not None:
        kept = known.levels
    else:
        candidates = {**dict.fromkeys(BOOLEAN_LEVELS, 0), **found} if kind == BOOLEAN else found
        kept = tuple(sorted(candidates, key=lambda level: (-candidates[level], level))[:most])
    counts = [found.get(level, 0) for level in kept]
    return ColumnProfile(
        name=name,
        kind=kind,
        edges=(),
        levels=kept,
        counts=(*counts, sum(found.values()) - sum(counts)),
        nulls=texts.null_count(),
    )


def _numbers(column: Sequence[object]) -> NDArray[np.float64]:
    """Return floats with NaN for null and for what is not a number."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        return column.astype(np.float64)
    if isinstance(column, pl.Series):
        series = column.cast(pl.Float64, strict=False)
    else:
        series = pl.Series("column", list(column), dtype=pl.Float64, strict=False)
    return series.to_numpy()


def _texts(column: Sequence[object], *, boolean: bool) -> pl.Series:
    """Return strings with null for null and NaN; "true" and "false" for booleans, also when they come as 0 and 1."""
    if isinstance(column, pl.Series):
        series = column
    elif isinstance(column, np.ndarray) and column.dtype.kind != "O":
        series = pl.Series("column", column)
    else:
        # A data frame says that a string is missing by a NaN among the objects.
        present = [None if isinstance(value, float) and value != value else value for value in column]
        series = pl.Series("column", present, dtype=pl.Boolean if boolean else pl.String, strict=False)
    if series.dtype.is_float():
        series = series.fill_nan(None)
    if boolean and series.dtype.is_numeric():
        series = series.cast(pl.Boolean)
    return series.cast(pl.String).alias("level")
