"""Labels of any task as numbers, and labels turned round."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.training.table import BINARY, CLASSES, Table


def as_number(label: str, task: str, *frames: pl.DataFrame) -> pl.Expr:
    """Return the label as a number; of several classes its place among those that occur in the frames."""
    if task != CLASSES:
        return pl.col(label).cast(pl.Float64)
    places = {name: float(place) for place, name in enumerate(_names(label, *frames))}
    return pl.col(label).cast(pl.String).replace_strict(places, default=None, return_dtype=pl.Float64)


def turned(train: pl.DataFrame, label: str, task: str) -> pl.Expr:
    """Return the opposite of the label: 1 - y, a value mirrored at the mean, or of several classes the next one."""
    told = pl.col(label)
    if task == BINARY:
        return (1 - told.cast(pl.Int64)).cast(train.schema[label])
    if task != CLASSES:
        return 2 * told.mean() - told
    names = _names(label, train)
    others = dict(zip(names, [*names[1:], names[0]], strict=True))
    return told.cast(pl.String).replace_strict(others, return_dtype=pl.String).cast(train.schema[label])


def middle(table: Table) -> NDArray[np.float32]:
    """Return what a model answers that learnt nothing: the mean label [1, 1], or the share of each class [1, k]."""
    if table.task != CLASSES:
        return np.array([[table.y.mean()]], dtype=np.float32)
    counts = np.bincount(table.y.astype(np.int64), minlength=len(table.signature.classes))
    return (counts / counts.sum()).astype(np.float32).reshape(1, -1)


def _names(label: str, *frames: pl.DataFrame) -> list[str]:
    return sorted({name for frame in frames for name in frame[label].cast(pl.String).unique().drop_nulls()})
