"""Mergeable summary of a window of rows, or of the training data (the reference profile)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """Counts of one column. Numeric: one bin per interval between `edges`, open at both ends; else one per level."""

    name: str
    kind: str  # number | integer | string | boolean
    edges: tuple[float, ...]  # ascending; bin i holds edges[i-1] < x <= edges[i]; () for levels
    levels: tuple[str, ...]  # most frequent first; () for numbers
    counts: tuple[int, ...]  # len(edges) + 1, or len(levels) + 1 with all other levels last
    nulls: int  # null, NaN and infinities; of a number also values of another type
    nan: int = 0  # NaN, a part of `nulls`
    above: int = 0  # +inf, a part of `nulls`
    below: int = 0  # -inf, a part of `nulls`
    novel: int = 0  # levels that the reference did not have, a part of the last count; of a number a part of `nulls`


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Summary of some rows; profiles over the same bins merge by adding counts."""

    rows: int
    columns: tuple[ColumnProfile, ...]  # inputs, and the model's output under the name "prediction"

    def column(self, name: str) -> ColumnProfile | None:
        """Return the column's profile, or None when the profile does not have it."""
        return next((column for column in self.columns if column.name == name), None)
