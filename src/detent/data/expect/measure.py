"""Statements about a whole table: a statistic against a limit, a span, or its value in the last good snapshot."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import date, datetime, timedelta

import polars as pl

from detent.data.expect.finding import Finding, Table, column_of
from detent.data.expect.words import count, quantity, subject
from detent.data.times import all_utc
from detent.errors import DataError
from detent.records.expectation import Bound, Expectation
from detent.store.clock import parse

_HOLDS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
FIRST = "no earlier snapshot of this dataset passed, so there is nothing to compare with yet"


def judge_statistic(table: Table, expectation: Expectation) -> Finding:
    """Measure a statistic and hold it against what the promise says."""
    value = measure(table.frame, expectation)
    rows = table.frame.height
    if value is None:
        return Finding(kept=False, reason=f"{subject(expectation)} can't be measured: no row has a value", rows=rows)
    if expectation.last:
        return _against_last(table, expectation, value)
    threshold, kept, asked = _against_limit(expectation, value)
    reason = f"{subject(expectation)} is {quantity(expectation.name, value)}, asked is {asked}"
    broken = None
    if not kept and expectation.name == "null_rate":
        broken = column_of(table.frame, expectation.columns[0]).is_null()
    return Finding(kept=kept, reason=reason, rows=rows, value=value, threshold=threshold, broken=broken)


def judge_freshness(table: Table, expectation: Expectation) -> Finding:
    """Measure how old the newest value is that lies not in the future."""
    rows, limit = table.frame.height, expectation.threshold or 0.0
    newest = newest_by(table.frame, expectation.columns[0], table.now)
    if newest is None:
        reason = f"no value of `{expectation.columns[0]}` is at or before {table.now.isoformat()}"
        return Finding(kept=False, reason=reason, rows=rows, threshold=limit)
    age = (table.now - newest).total_seconds()
    reason = (
        f"the newest `{expectation.columns[0]}` is {newest.isoformat()}, {quantity('freshness', age)} ago; "
        f"asked is {expectation.op} {quantity('freshness', limit)}"
    )
    return Finding(kept=_HOLDS[expectation.op](age, limit), reason=reason, rows=rows, value=age, threshold=limit)


def stale_after(frame: pl.DataFrame, expectation: Expectation, now: datetime) -> datetime | None:
    """Return the moment from which a freshness that holds now will be broken if no row comes; None: never."""
    if expectation.name != "freshness" or expectation.columns[0] not in frame.columns:
        return None
    newest = newest_by(frame, expectation.columns[0], now)
    if newest is None or expectation.threshold is None or not expectation.op.startswith("<"):
        return None
    moment = newest + timedelta(seconds=expectation.threshold)
    return moment if moment >= now else None


def newest_by(frame: pl.DataFrame, name: str, now: datetime) -> datetime | None:
    """Return the newest time of a column at or before a moment.

    Raises:
        DataError: the column holds no times.
    """
    column = column_of(frame, name)
    if not isinstance(column.dtype, (pl.Datetime, pl.Date)):
        raise _wrong_kind(column, "times")
    column = all_utc(pl.DataFrame([column.cast(pl.Datetime("us")) if column.dtype == pl.Date else column]))[name]
    newest = column.filter(column <= now).max()
    return newest if isinstance(newest, datetime) else None


def measure(frame: pl.DataFrame, expectation: Expectation) -> float | None:
    """Return a statistic; None when no row has a value. Times count in seconds since 1970.

    Raises:
        DataError: there is no such column, or it holds nothing that can be counted with.
    """
    if expectation.name == "rows":
        return float(frame.height)
    column = column_of(frame, expectation.columns[0])
    if expectation.name == "null_rate":
        return column.null_count() / len(column) if len(column) else None
    values = column.drop_nulls()
    if expectation.name == "distinct":
        return float(values.n_unique()) if len(values) else 0.0
    if len(values) == 0:
        return None
    if expectation.name == "unique_rate":
        return values.n_unique() / len(values)
    return _number(_STATISTICS[expectation.name](numbers(values), expectation))


def numbers(values: pl.Series) -> pl.Series:
    """Return numbers as Float64, times as seconds since 1970 (durations: seconds).

    Raises:
        DataError: texts and nested values are no numbers.
    """
    dtype = values.dtype
    if dtype.is_numeric() or dtype == pl.Boolean:
        return values.cast(pl.Float64)
    if dtype == pl.Date:
        return values.cast(pl.Int32).cast(pl.Float64) * 86_400.0
    if isinstance(dtype, pl.Datetime):
        return values.dt.timestamp("us").cast(pl.Float64) / 1e6
    if isinstance(dtype, pl.Duration):
        return values.dt.total_microseconds().cast(pl.Float64) / 1e6
    raise _wrong_kind(values, "numbers")


_STATISTICS: dict[str, Callable[[pl.Series, Expectation], object]] = {
    "mean": lambda values, _: values.mean(),
    "median": lambda values, _: values.median(),
    "min": lambda values, _: values.min(),
    "max": lambda values, _: values.max(),
    "std": lambda values, _: values.std(),
    "sum": lambda values, _: values.sum(),
    "quantile": lambda values, asked: _nearest_quantile(values, float(asked.argument)),
}


def _nearest_quantile(values: pl.Series, share: float) -> float:
    """Return the value at the nearest rank; half-way between two, the even one, as NumPy and pandas choose."""
    return values.sort()[round(share * (len(values) - 1))]


def _against_limit(expectation: Expectation, value: float) -> tuple[float | None, bool, str]:
    """Return (the limit that decides, does it hold, what was asked in words)."""
    name = expectation.name
    if expectation.op == "in":
        low, high = seconds(expectation.low), seconds(expectation.high)
        above = low is None or (value > low if expectation.open_low else value >= low)
        below = high is None or (value < high if expectation.open_high else value <= high)
        ends = ["" if end is None else quantity(name, end) for end in (low, high)]
        return (low if not above else high if not below else None), above and below, f"{ends[0]}..{ends[1]}"
    limit = expectation.threshold or 0.0
    return limit, _HOLDS[expectation.op](value, limit), f"{expectation.op} {quantity(name, limit)}"


def _against_last(table: Table, expectation: Expectation, value: float) -> Finding:
    name, rows, factor = expectation.name, table.frame.height, expectation.threshold or 0.0
    if table.last is None:
        return Finding(kept=True, reason=FIRST, rows=rows, value=value)
    before = measure(table.last, expectation)
    if before is None:
        return Finding(kept=True, reason="the last good snapshot has no value to compare with", rows=rows, value=value)
    told = f"{subject(expectation)} is {quantity(name, value)} and was {quantity(name, before)} in the last snapshot"
    if expectation.op == "within":
        moved = abs(value - before)
        share = moved / abs(before) if before else 0.0 if moved == 0 else None
        kept = share is not None and share <= factor
        by = "from nothing" if share is None else f"by {share * 100:.3g}%"
        return Finding(
            kept=kept, reason=f"{told}: it moved {by}, asked is at most {factor * 100:.4g}%", rows=rows, value=value,
            threshold=before + (factor if value > before else -factor) * abs(before),
        )  # fmt: skip
    limit = factor * before
    kept = _HOLDS[expectation.op](value, limit)
    reason = f"{told}; asked is {expectation.op} {quantity(name, limit)}"
    return Finding(kept=kept, reason=reason, rows=rows, value=value, threshold=limit)


def seconds(bound: Bound | None) -> float | None:
    """Return a bound as a number; an ISO time as seconds since 1970."""
    return parse(bound).timestamp() if isinstance(bound, str) else bound


def _number(value: object) -> float | None:
    if isinstance(value, (datetime, date)):
        raise TypeError("times were turned into seconds before")
    return None if value is None else float(value)  # pyright: ignore[reportArgumentType]  (a statistic of floats)


def _wrong_kind(column: pl.Series, wanted: str) -> DataError:
    return DataError(
        what=f"column `{column.name}` holds no {wanted}",
        why=f"its type is {column.dtype}",
        fix="choose another column, or another promise such as null_rate or values",
    )


def told_rows(broken: int, judged: int, share: float) -> str:
    """Return how many rows break a promise, in words."""
    if not judged:
        return "no row has a value to judge"
    if not broken:
        return f"all {count(judged, 'row')} keep it"
    asked = f"; asked is at least {share * 100:.6g}% good" if share < 1 else ""
    return f"{broken:,} of {count(judged, 'row')} break it ({broken / judged * 100:.3g}%){asked}"
