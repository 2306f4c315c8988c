"""How the values of a column moved between two tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import polars as pl

from detent.records.signature import BOOLEAN, NUMBER, STRING
from detent.statistics.distances import psi_debiased
from detent.statistics.summaries import summarise


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChange:
    """One column, before and now. Times count as microseconds since 1970 for the distance, and are shown as text."""

    name: str
    nulls: tuple[float, float]  # share of rows, 0..1
    mean: tuple[float | None, float | None]  # of numbers; None: no numbers, or no values
    least: tuple[str | None, str | None]
    most: tuple[str | None, str | None]
    distance: float | None  # population stability index in nats, without what chance adds; None: values can't be binned


def column_changes(before: pl.LazyFrame, after: pl.LazyFrame, names: Sequence[str]) -> tuple[ColumnChange, ...]:
    """Return the columns whose values moved, farthest first; each is read alone, so memory is that of one column."""
    changes = []
    for name in names:
        old, new = (side.select(name).collect(engine="streaming")[name] for side in (before, after))
        change = ColumnChange(
            name=name,
            nulls=(_nulls(old), _nulls(new)),
            mean=(_mean(old), _mean(new)),
            least=(_extreme(old, "min"), _extreme(new, "min")),
            most=(_extreme(old, "max"), _extreme(new, "max")),
            distance=_distance(old, new),
        )
        if change.distance or any(
            len(set(pair)) > 1 for pair in (change.nulls, change.mean, change.least, change.most)
        ):
            changes.append(change)
    return tuple(sorted(changes, key=lambda change: (-(change.distance or 0.0), change.name)))


def _nulls(column: pl.Series) -> float:
    return column.null_count() / len(column) if len(column) else 0.0


def _mean(column: pl.Series) -> float | None:
    if not column.dtype.is_numeric():
        return None
    mean = column.mean()
    return float(mean) if isinstance(mean, int | float) and mean == mean else None


def _extreme(column: pl.Series, which: str) -> str | None:
    if not (column.dtype.is_numeric() or column.dtype.is_temporal()):
        return None
    value = column.min() if which == "min" else column.max()
    return None if value is None else str(value)


def _distance(old: pl.Series, new: pl.Series) -> float | None:
    kinds = {_kind(old.dtype), _kind(new.dtype)}
    kind = kinds.pop()
    if kinds or kind is None or not len(old) or not len(new):
        return None
    if old.dtype.is_temporal():
        dated = (pl.Date, pl.Datetime)
        old, new = (side.cast(pl.Datetime("us")) if side.dtype in dated else side for side in (old, new))
        old, new = old.to_physical(), new.to_physical()
    reference = summarise({old.name: cast("Sequence[object]", old)}, [(old.name, kind)])
    current = summarise({old.name: cast("Sequence[object]", new)}, [(old.name, kind)], like=reference)
    one, other = reference.column(old.name), current.column(old.name)
    assert one is not None
    assert other is not None
    return round(psi_debiased(one.counts, other.counts), 6)


def _kind(dtype: pl.DataType) -> str | None:
    if dtype == pl.Boolean:
        return BOOLEAN
    if dtype.is_numeric() or dtype.is_temporal():
        return NUMBER
    return STRING if dtype in (pl.String, pl.Categorical, pl.Enum) else None
