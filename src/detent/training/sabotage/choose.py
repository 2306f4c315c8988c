"""Which input a fault goes into: the one that tells most about the label, so that it matters."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.errors import DataError


def most_telling(train: pl.DataFrame, *, label: str, exclude: Sequence[str]) -> str:
    """Return the numeric input with the largest rank correlation with the label, or a class; the first of equals.

    Raises:
        DataError: there is no numeric input.
    """
    names = [
        name
        for name, dtype in train.schema.items()
        if name != label and name not in exclude and dtype.is_numeric() and train[name].n_unique() > 2
    ]
    if not names:
        raise _none("numbers", "a number with three values or more")
    truths = _truths(train, label)
    values = {name: pl.col(name).cast(pl.Float64).fill_nan(None) for name in names}
    told = {name: [_correlation(value, truth) for truth in truths] for name, value in values.items()}
    ranks = train.select(pl.max_horizontal(found).alias(name) for name, found in told.items()).row(0)
    return names[max(range(len(names)), key=lambda place: ranks[place])]


def _truths(train: pl.DataFrame, label: str) -> list[pl.Expr]:
    """Return what an input may tell: the label; of names of classes, whether it is this one, for each of them."""
    dtype = train.schema[label]
    if dtype.is_numeric() or dtype == pl.Boolean:
        return [pl.col(label).cast(pl.Float64)]
    classes = sorted(train[label].cast(pl.String).unique().drop_nulls())
    return [(pl.col(label).cast(pl.String) == name).cast(pl.Float64) for name in classes]


def _correlation(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    return pl.corr(a, b, method="spearman").abs().fill_nan(0.0).fill_null(0.0)


def hours(train: pl.DataFrame, *, label: str, exclude: Sequence[str]) -> str:
    """Return the first input that looks like an hour of the day: whole numbers within 0..23, of which most occur.

    Raises:
        DataError: there is none.
    """
    for name, dtype in train.schema.items():
        if name == label or name in exclude or not dtype.is_integer():
            continue
        values = train[name].drop_nulls()
        if len(values) and values.min() >= 0 and values.max() <= 23 and values.n_unique() > 12:  # pyright: ignore[reportOperatorIssue]
            return name
    raise _none("hours", "an hour of the day, 0 to 23")


def part(train: pl.DataFrame, *, label: str, exclude: Sequence[str]) -> tuple[str, str | float]:
    """Return what splits the rows: a text input with its commonest level, else the telling number and its median."""
    for name, dtype in train.schema.items():
        if name not in (label, *exclude) and dtype in (pl.String, pl.Categorical, pl.Enum):
            values = train[name].drop_nulls().cast(pl.String)
            if values.n_unique() > 1:
                return name, str(values.value_counts(sort=True)[name][0])
    name = most_telling(train, label=label, exclude=exclude)
    return name, float(train[name].cast(pl.Float64).median() or 0.0)  # pyright: ignore[reportArgumentType]


def within(name: str, value: str | float) -> pl.Expr:
    """Return the condition that a row belongs to the part."""
    column = pl.col(name)
    inside = column.cast(pl.String) == value if isinstance(value, str) else column.cast(pl.Float64) > value
    return inside.fill_null(value=False)


def _none(noun: str, wanted: str) -> DataError:
    return DataError(
        what="this model can't be spoilt so",
        why=f"none of its inputs holds {noun}",
        fix=f"use another kind of sabotage, or a model with an input that is {wanted}",
    )
