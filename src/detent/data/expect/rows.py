"""Statements about each row: which rows are judged, and which of them break the promise."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl
from polars import selectors

from detent.data.expect.finding import Finding, Table, column_of
from detent.data.expect.measure import told_rows
from detent.errors import DataError, did_you_mean
from detent.records.expectation import Bound, Expectation
from detent.store.clock import parse

Judged = tuple[pl.Series, pl.Series]  # which rows have something to judge, which rows break it


def judge_rows(table: Table, expectation: Expectation) -> Finding:
    """Judge row by row; rows without a value are left out, for `null_rate` is there to count them."""
    return _found(expectation, *_JUDGES[expectation.name](table, expectation))


def judge_columns(table: Table, expectation: Expectation) -> Finding:
    """Are these columns there?"""
    known = table.frame.columns
    absent = [name for name in expectation.columns if name not in known]
    told = f"there is no column `{'`, `'.join(absent)}`; {did_you_mean(absent[0], known)}" if absent else "all there"
    return Finding(kept=not absent, reason=told, rows=table.frame.height)


def judge_check(table: Table, expectation: Expectation) -> Finding:
    """Judge an SQL expression; as in SQL, a row for which it is null (unknown) does not break it.

    An expression over aggregates gives one answer for the whole table.
    """
    frame = table.frame.with_columns(selectors.float().fill_nan(None))  # as everywhere: NaN is no value
    answer = frame.select(pl.sql_expr(expectation.argument).alias("kept"))["kept"]
    if answer.dtype != pl.Boolean:
        raise DataError(
            what=f"{expectation.argument} is {answer.dtype}, not true or false",
            why="a check is a comparison",
            fix='write for example check("arrived > departed")',
        )
    if len(answer) != frame.height:
        kept = bool(answer.fill_null(False).all())
        told = "it holds for the table" if kept else "it does not hold for the table"
        return Finding(kept=kept, reason=told, rows=frame.height)
    return _found(expectation, answer.is_not_null(), ~answer.fill_null(True))


def _found(expectation: Expectation, judged: pl.Series, broken: pl.Series) -> Finding:
    rows, failing = int(judged.sum()), int(broken.sum())
    good = (rows - failing) / rows if rows else 1.0
    return Finding(
        kept=good >= expectation.share,
        reason=told_rows(failing, rows, expectation.share),
        rows=rows,
        value=good,
        threshold=expectation.share,
        broken=broken,
    )


def _range(table: Table, expectation: Expectation) -> Judged:
    column = column_of(table.frame, expectation.columns[0])
    low, high = (_limit(column, end) for end in (expectation.low, expectation.high))
    broken = pl.Series([False]).new_from_index(0, len(column))
    if low is not None:
        broken |= (column <= low if expectation.open_low else column < low).fill_null(False)
    if high is not None:
        broken |= (column >= high if expectation.open_high else column > high).fill_null(False)
    return column.is_not_null(), broken


def _limit(column: pl.Series, bound: Bound | None) -> Any:
    """Return a bound as the column's kind of value."""
    if bound is None:
        return None
    dtype = column.dtype
    if isinstance(bound, str) and isinstance(dtype, pl.Datetime):
        moment = parse(bound)
        return moment if dtype.time_zone else moment.astimezone(UTC).replace(tzinfo=None)
    if isinstance(bound, str) and dtype == pl.Date:
        return parse(bound).date()
    if isinstance(bound, float) and dtype.is_numeric():
        return int(bound) if dtype.is_integer() and bound.is_integer() else bound
    kind = "a date" if isinstance(bound, str) else "a number"
    raise DataError(
        what=f"column `{column.name}` is {dtype}, and the bound {bound!r} is {kind}",
        why="values of different kinds have no order",
        fix="write numbers for a column of numbers, and dates such as 2024-05-01 for a column of times",
    )


def _length(table: Table, expectation: Expectation) -> Judged:
    column = _texts(column_of(table.frame, expectation.columns[0]))
    lengths = column.str.len_chars().cast(pl.Int64).alias(column.name)
    return _range(Table(frame=lengths.to_frame(), last=None, others={}, now=table.now), expectation)


def _values(table: Table, expectation: Expectation) -> Judged:
    column = column_of(table.frame, expectation.columns[0])
    listed = _listed(column, expectation.values)
    inside = _comparable(column).is_in(listed)
    broken = inside if expectation.op == "not in" else ~inside
    return column.is_not_null(), broken.fill_null(False)


def _comparable(column: pl.Series) -> pl.Series:
    """Return a column whose values can stand in a list: numbers and booleans as they are, all others as texts."""
    dtype = column.dtype
    if dtype.is_numeric() or dtype == pl.Boolean:
        return column
    if isinstance(dtype, pl.Datetime):
        return column.dt.strftime("%Y-%m-%dT%H:%M:%S%.f")
    return column.cast(pl.String)


def _listed(column: pl.Series, values: tuple[float | str | bool, ...]) -> list[Any]:
    """Return the list's values in the column's kind; a fraction can't be in a column of whole numbers."""
    dtype = column.dtype
    wanted = bool if dtype == pl.Boolean else (int, float) if dtype.is_numeric() else str
    is_number = dtype.is_numeric()
    wrong = [v for v in values if not isinstance(v, wanted) or (is_number and isinstance(v, bool))]
    if wrong and wanted is not str:
        raise DataError(
            what=f"column `{column.name}` is {dtype}, and the list has {wrong[0]!r}",
            why="a value of another kind can never be there",
            fix="write the list in the column's kind: numbers, true and false, or texts",
        )
    if dtype.is_integer():
        return [int(value) for value in values if value == int(value)]
    if is_number:
        return [float(value) for value in values]
    if isinstance(dtype, pl.Datetime):
        return [_moment(str(value)) for value in values]
    return list(values) if dtype == pl.Boolean else [_text(value) for value in values]


def _text(value: float | str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _moment(value: str) -> str:
    moment: datetime = parse(value)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{moment.microsecond:06d}" if moment.microsecond else "")


def _match(table: Table, expectation: Expectation) -> Judged:
    """Search the pattern with Python's own engine, once per distinct value: no surprise about what a pattern means."""
    column = _texts(column_of(table.frame, expectation.columns[0]))
    pattern = re.compile(expectation.argument)
    wanted = expectation.op != "not in"
    bad = [text for text in column.unique().drop_nulls().to_list() if bool(pattern.search(text)) is not wanted]
    return column.is_not_null(), column.is_in(pl.Series(bad, dtype=pl.String).implode()).fill_null(False)


def _texts(column: pl.Series) -> pl.Series:
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    raise DataError(
        what=f"column `{column.name}` is {column.dtype}, not text",
        why="the promise is about texts",
        fix="choose a text column",
    )


def _filled(table: Table, expectation: Expectation) -> Judged:
    """Every row is judged: is there a value (`filled`), or none (`empty`)?"""
    absent = column_of(table.frame, expectation.columns[0]).is_null()
    return absent | True, absent if expectation.name == "filled" else ~absent


def _unique(table: Table, expectation: Expectation) -> Judged:
    """Every combination stands once; rows in which all the columns are null are left out."""
    columns = [column_of(table.frame, name) for name in expectation.columns]
    frame = pl.DataFrame(columns)
    judged = frame.select(pl.any_horizontal(pl.all().is_not_null()))[frame.columns[0]].alias("judged")
    broken = frame.is_duplicated() & judged
    return judged, broken


def _ordered(table: Table, expectation: Expectation) -> Judged:
    """Each value is not below (not above) the one before it; with the argument "strictly", not equal either."""
    column = column_of(table.frame, expectation.columns[0])
    before = column.fill_null(strategy="forward").shift(1)
    strictly = expectation.argument == "strictly"
    if expectation.name == "increasing":
        broken = column <= before if strictly else column < before
    else:
        broken = column >= before if strictly else column > before
    return column.is_not_null(), broken.fill_null(False)


def _exists(table: Table, expectation: Expectation) -> Judged:
    column = column_of(table.frame, expectation.columns[0])
    dataset, _, name = expectation.other.partition(".")
    if dataset not in table.others:
        raise DataError(
            what=f"there is no dataset `{dataset}` here", why="the promise names it",
            fix=did_you_mean(dataset, tuple(table.others)),
        )  # fmt: skip
    there = column_of(table.others[dataset], name)
    if not _alike(column.dtype, there.dtype):
        raise DataError(
            what=f"`{column.name}` is {column.dtype} and {expectation.other} is {there.dtype}",
            why="values of different types match nothing",
            fix="store both with one type",
        )
    left = pl.DataFrame({"row": pl.int_range(len(column), eager=True), "value": column})
    right = there.unique().alias("value").cast(column.dtype, strict=False).to_frame()
    found = left.join(right.drop_nulls(), on="value", how="semi")["row"]
    inside = left["row"].is_in(found.implode())
    return column.is_not_null(), ~inside & column.is_not_null()


def _alike(one: pl.DataType, other: pl.DataType) -> bool:
    texts = (pl.String, pl.Categorical, pl.Enum)
    return (
        one == other
        or (one.is_integer() and other.is_integer())
        or (one in texts and other in texts)
        or (isinstance(one, pl.Datetime) and isinstance(other, pl.Datetime))
    )


_JUDGES: dict[str, Callable[[Table, Expectation], Judged]] = {
    "range": _range,
    "length": _length,
    "values": _values,
    "match": _match,
    "unique": _unique,
    "increasing": _ordered,
    "decreasing": _ordered,
    "exists": _exists,
    "filled": _filled,
    "empty": _filled,
}
BY_ROW = frozenset(_JUDGES)
