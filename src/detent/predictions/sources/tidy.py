"""Rows of any table -> labels: names as text, numbers, times in UTC; and what of it is no label, counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from detent.predictions.sources.protocol import refused
from detent.records.project import LabelSource
from detent.store.classes import class_number

_NONE = -1.0  # stands for the name of no class; no class has a number below 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidy:
    """Labels of one look at a place."""

    rows: pl.DataFrame  # name, value, at; sorted by time, one row per name, value and time
    left_out: tuple[tuple[str, int], ...]  # (why, rows), of rows that will never be a label as they are
    waiting: int  # rows without a truth yet, or with one that is known only later than now
    rejected: tuple[tuple[int, str], ...]  # (number of the row, why) of the rows left out


def tidy(raw: pl.DataFrame, source: LabelSource, *, now: datetime, binary: bool, classes: Sequence[str] = ()) -> Tidy:
    """Return the labels of a table that are known now.

    A row without a value is not known yet. Times without a zone are UTC; a date is its midnight. Without a column for
    the time everything is known now. Values are numbers or true and false; those of a binary model are 0 or 1; with
    `classes` they are the names of these, and become their numbers.

    Raises:
        LabelError: a declared column is missing, or is of a kind that no label has.
    """
    missing = [name for name in (source.name, source.value, source.at) if name is not None and name not in raw.columns]
    if missing:
        raise refused(
            source,
            f"it has no column `{missing[0]}`, only {', '.join(raw.columns)}",
            "correct the names of the columns at monitor.labels",
        )
    rows = raw.select(
        name=_names(raw[source.name]),
        value=_classes(raw[source.value], classes) if classes else _numbers(raw[source.value], source),
        at=pl.lit(now) if source.at is None else _times(raw[source.at], source),
    ).with_columns(pl.col("at").dt.convert_time_zone("UTC").dt.cast_time_unit("us"))
    rows = rows.with_row_index("row")
    known = rows.filter(pl.col("value").is_not_null() & (pl.col("at").is_null() | (pl.col("at") <= now)))
    faults = {
        "no name": pl.col("name").is_null() | (pl.col("name").str.len_chars() == 0),
        "no finite number": ~pl.col("value").is_finite(),
        "none of the classes": pl.col("value") == _NONE if classes else pl.lit(value=False),
        "no time that can be read": pl.col("at").is_null(),
        "neither 0 nor 1": ~pl.col("value").is_in([0.0, 1.0]) if binary else pl.lit(value=False),
    }
    why = pl.coalesce(pl.when(fault).then(pl.lit(name)) for name, fault in faults.items())
    judged = known.with_columns(why=why)
    bad = judged.filter(pl.col("why").is_not_null())
    left_out = bad.group_by("why").len().sort("why")
    good = judged.filter(pl.col("why").is_null()).drop("why", "row")
    return Tidy(
        rows=good.unique(maintain_order=True).sort("at", maintain_order=True),
        left_out=tuple((str(name), int(rows)) for name, rows in left_out.iter_rows()),
        waiting=rows.height - known.height,
        rejected=tuple((int(row), str(why)) for row, why in bad.select("row", "why").iter_rows()),
    )


def until(raw: pl.DataFrame, column: str, source: LabelSource, *, now: datetime) -> pl.DataFrame:
    """Return a table whose times are not later than now: what a stream says is known when it says so.

    Raises:
        LabelError: the column holds no times.
    """
    at = _times(raw[column], source).dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    return raw.with_columns(pl.select(pl.when(at > now).then(pl.lit(now)).otherwise(at)).to_series().alias(column))


def _names(values: pl.Series) -> pl.Series:
    if values.dtype == pl.Object:  # what only Python can hold, such as UUIDs
        return pl.Series([None if item is None else str(item) for item in values], dtype=pl.String())
    return values.cast(pl.String)


def _classes(values: pl.Series, classes: Sequence[str]) -> pl.Series:
    numbers = {name: class_number(name) for name in classes}
    texts = values.cast(pl.String).to_list()
    return pl.Series([None if text is None else numbers.get(text, _NONE) for text in texts], dtype=pl.Float64())


def _numbers(values: pl.Series, source: LabelSource) -> pl.Series:
    # A table without rows has no kind of its own: a file with nothing but its heads is read as texts.
    if len(values) and not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
        raise refused(
            source,
            f"the column `{source.value}` holds {values.dtype}, and a label is a number or true and false",
            "name the column with the truth as `value`, or turn it into numbers",
        )
    return values.cast(pl.Float64)


def _times(values: pl.Series, source: LabelSource) -> pl.Series:
    kind = values.dtype
    if kind in (pl.String, pl.Null):
        text = values.cast(pl.String)
        # A zone in some of the rows and none in others: those without are UTC, as everywhere.
        zoned = text.str.contains(r"(?:[zZ]|[+-]\d\d:?\d\d)$")
        marked = pl.select(pl.when(zoned).then(text).otherwise(text + "+00:00")).to_series()
        short = text.str.contains(r"^\d{4}-\d\d-\d\d$")
        marked = pl.select(pl.when(short).then(text + "T00:00:00+00:00").otherwise(marked)).to_series()
        return marked.str.replace(" ", "T").str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    if isinstance(kind, pl.Datetime):
        return values if kind.time_zone else values.dt.replace_time_zone("UTC")
    if kind == pl.Date:
        return values.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    raise refused(
        source, f"the column `{source.at}` holds {kind}, and no times", "name a column of times or dates as `at`"
    )
