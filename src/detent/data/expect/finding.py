"""What a judge is given and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from detent.errors import DataError, did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A dataset and what it may be compared with."""

    frame: pl.DataFrame
    last: pl.DataFrame | None  # rows of the last snapshot that passed, at least the columns that are needed
    others: Mapping[str, pl.DataFrame]  # every dataset of the project, this one included
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one promise measured, before its severity decides what that means."""

    kept: bool
    reason: str
    rows: int  # judged
    value: float | None = None
    threshold: float | None = None
    broken: pl.Series | None = None  # one True per failing row; None: a statement about the whole table


def column_of(frame: pl.DataFrame, name: str) -> pl.Series:
    """Return a column in which NaN is null: both mean that there is no value.

    Raises:
        DataError: there is no such column.
    """
    if name not in frame.columns:
        raise DataError(
            what=f"there is no column `{name}`",
            why="the promise names it",
            fix=did_you_mean(name, frame.columns),
        )
    column = frame[name]
    return column.fill_nan(None) if column.dtype.is_float() else column
