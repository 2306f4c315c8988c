"""Columns of any sort as arrays of floats, or as lists of texts. Polars series are read without importing Polars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


_PLAIN = {float, int, bool, type(None)}


class Column(Protocol):
    """A list, a tuple, a NumPy array or a Polars series."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


@dataclass(frozen=True, slots=True)
class Numbers:
    """One column of numbers, or a block of them, and what of it is none."""

    values: Floats  # NaN where there is no number
    null: Mask | None  # True where a value is missing; None: nowhere
    foreign: Mask | None  # True where a value is present and is no number; None: nowhere

    def part(self, part: slice) -> Numbers:
        """Return some rows of a column."""
        null, foreign = self.null, self.foreign
        return Numbers(
            self.values[part], None if null is None else null[part], None if foreign is None else foreign[part]
        )

    def take(self, rows: NDArray[np.intp]) -> Numbers:
        """Return some rows of a block (columns, rows)."""
        null, foreign = self.null, self.foreign
        return Numbers(
            self.values[:, rows],
            None if null is None else null[:, rows],
            None if foreign is None else foreign[:, rows],
        )

    def row(self) -> Numbers:
        """Return a column as a block of one."""
        null, foreign = self.null, self.foreign
        return Numbers(
            self.values[None, :], None if null is None else null[None, :], None if foreign is None else foreign[None, :]
        )


def numbers(column: Column) -> Numbers:
    """Return the values as floats; null and NaN are told apart, and so are values of another type."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        return Numbers(column.astype(np.float64, copy=False), None, None)
    series: Any = column
    if hasattr(series, "null_count") and (series.dtype.is_numeric() or series.dtype == bool):
        null = series.is_null().to_numpy() if series.null_count() else None
        return Numbers(np.asarray(series.to_numpy(), dtype=np.float64), null, None)
    return _mixed(plain(column))


def plain(column: Column) -> Sequence[Any]:
    """Return the values as Python objects."""
    if isinstance(column, list | tuple):
        return column
    as_list: Any = getattr(column, "to_list", None) or getattr(column, "tolist", None)
    return list(column) if as_list is None else as_list()


def _mixed(values: Sequence[Any]) -> Numbers:
    read, strange = np.empty(0), True
    try:
        read = np.array(values, dtype=np.float64)
        strange = not set(map(type, values)) <= _PLAIN  # NumPy would read "1.5" as a number
    except (TypeError, ValueError, OverflowError):
        pass  # one by one, then
    if strange:
        foreign = np.array([value is not None and not _is_number(value) for value in values], dtype=np.bool_)
        kept = [None if wrong else value for value, wrong in zip(values, foreign.tolist(), strict=True)]
        read = np.array(kept, dtype=np.float64)
    else:
        foreign = None
    unknown = np.isnan(read).any()
    null = np.array([value is None for value in values], dtype=np.bool_) if unknown else None
    return Numbers(read.reshape(len(values)), null, foreign)


def _is_number(value: Any) -> bool:
    if not isinstance(value, int | float | np.number | np.bool_):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True


def text_of(value: object) -> str | None:
    """Return a level as text: "true" and "false" for booleans, None for null and NaN (a data frame's missing text)."""
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return str(value)
