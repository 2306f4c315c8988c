"""The newest row that was known at a moment: a point-in-time join that can't see the future."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from detent.errors import DataError, did_you_mean
from detent.project.durations import parse_duration

_ROW, _AT, _SEEN = "__row__", "__at__", "__seen__"


def latest_known(
    rows: pl.DataFrame,
    table: pl.DataFrame,
    *,
    at: str,
    known_at: str,
    by: str | Sequence[str],
    ttl: timedelta | str | None = None,
) -> pl.DataFrame:
    """Give each row the values that `table` held for its keys `by` at its moment `at`.

    Of the table's rows with equal keys and `known_at` <= `at` the newest one counts; of several with the same
    `known_at` the one that stands last in the table. Its values are null when it is older than `ttl` (a timedelta or a
    text such as "6h"; exactly `ttl` is still alive), and an older row never takes its place. A null or NaN key and a
    null time match nothing. Exactly one row comes out per row of `rows`, in order: the columns of `rows`, then the
    table's without `by` and `known_at`. A time without a zone is UTC.

    Raises:
        DataError: a column is missing, a time column holds no datetimes, keys differ in type, a value's name is taken
            already, or `ttl` is no length of time.
    """
    keys = [by] if isinstance(by, str) else list(by)
    values = [name for name in table.columns if name not in {*keys, known_at}]
    _check(rows, table, at, known_at, keys, values)
    unit = "ns" if "ns" in (_unit(rows, at), _unit(table, known_at)) else "us"
    known = _usable(table.with_columns(_utc(table, known_at, unit).alias(_SEEN)), _SEEN, keys)
    # Of rows with one moment the last is kept here, because joins differ in what they do on ties.
    known = known.select(*keys, _SEEN, *values).sort(_SEEN, maintain_order=True)
    known = known.unique([*keys, _SEEN], keep="last", maintain_order=True)
    asked = rows.select(*keys, _utc(rows, at, unit).alias(_AT)).with_row_index(_ROW)
    found = (
        _usable(asked, _AT, keys)
        .sort(_AT)
        .join_asof(known, left_on=_AT, right_on=_SEEN, by=keys or None, coalesce=False, check_sortedness=False)
    )
    if ttl is not None:
        alive = pl.col(_AT) - pl.col(_SEEN) <= _length(ttl)
        found = found.with_columns(pl.when(alive).then(pl.col(name)).alias(name) for name in values)
    matched = asked.select(_ROW).join(found.select(_ROW, *values), on=_ROW, how="left", maintain_order="left")
    return rows.hstack(matched.select(values))


def _usable(frame: pl.DataFrame, time: str, keys: list[str]) -> pl.DataFrame:
    """Leave out rows that match nothing: no time, or a null or NaN in a key."""
    clean = pl.col(time).is_not_null()
    for key in keys:
        clean &= pl.col(key).is_not_null()
        if frame.schema[key].is_float():
            clean &= pl.col(key).is_not_nan()
    return frame.filter(clean)


def _utc(frame: pl.DataFrame, column: str, unit: str) -> pl.Series:
    times = frame[column]
    zone = getattr(times.dtype, "time_zone", None)
    times = times.dt.replace_time_zone("UTC") if zone is None else times.dt.convert_time_zone("UTC")
    return times.dt.cast_time_unit("ns" if unit == "ns" else "us")


def _unit(frame: pl.DataFrame, column: str) -> str:
    return getattr(frame.schema[column], "time_unit", "us")


def _length(ttl: timedelta | str) -> timedelta:
    try:
        length = parse_duration(ttl) if isinstance(ttl, str) else ttl
    except ValueError as error:
        raise DataError(what="`ttl` is not right", why=str(error), fix='write for example ttl="6h"') from error
    if length < timedelta(0):
        raise DataError(what="`ttl` is not right", why=f"{length} lies in the past", fix='write for example ttl="6h"')
    return length


def _check(rows: pl.DataFrame, table: pl.DataFrame, at: str, known_at: str, keys: list[str], values: list[str]) -> None:
    for frame, name, columns in ((rows, "rows", [at, *keys]), (table, "the table", [known_at, *keys])):
        for column in columns:
            if column not in frame.columns:
                raise DataError(
                    what=f"column `{column}` is not in {name}",
                    why="latest_known joins by keys and time",
                    fix=did_you_mean(column, frame.columns),
                )
    for frame, column in ((rows, at), (table, known_at)):
        if not isinstance(frame.schema[column], pl.Datetime):
            raise DataError(
                what=f"column `{column}` holds no datetimes",
                why=f"its type is {frame.schema[column]}",
                fix="convert it to datetimes first",
            )
    for key in keys:
        if rows.schema[key] != table.schema[key]:
            raise DataError(
                what=f"key `{key}` is {rows.schema[key]} in rows and {table.schema[key]} in the table",
                why="keys of different types match nothing",
                fix="cast one of them",
            )
    taken = [name for name in values if name in rows.columns]
    if taken:
        raise DataError(
            what=f"column `{taken[0]}` is in rows and in the table",
            why="both would be called the same in the result",
            fix=f'rename it in the table first, for example table.rename({{"{taken[0]}": "{taken[0]}_latest"}})',
        )
