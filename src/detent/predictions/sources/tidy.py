"""Rows of any table -> labels: names as text, numbers, times in UTC; and what of it is no label, counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from detent.predictions.sources.protocol import refused
from detent.records.project import LabelSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidy:
    """Labels of one look at a place."""

    rows: pl.DataFrame  # name, value, at; sorted by time, one row per name, value and time
    left_out: tuple[tuple[str, int], ...]  # (why, rows), of rows that will never be a label as they are
    waiting: int  # rows without a truth yet, or with one that is known only later than now


def tidy(raw: pl.DataFrame, source: LabelSource, *, now: datetime, binary: bool) -> Tidy:
    """Return the labels of a table that are known now.

    A row without a value is not known yet. Times without a zone are UTC; a date is its midnight. Without a column for
    the time everything is known now. Values are numbers or true and false; those of a binary model are 0 or 1.

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
        value=_numbers(raw[source.value], source),
        at=pl.lit(now) if source.at is None else _times(raw[source.at], source),
    ).with_columns(pl.col("at").dt.convert_time_zone("UTC").dt.cast_time_unit("us"))
    known = rows.filter(pl.col("value").is_not_null() & (pl.col("at").is_null() | (pl.col("at") <= now)))
    faults = {
        "no name": pl.col("name").is_null() | (pl.col("name").str.len_chars() == 0),
        "no finite number": ~pl.col("value").is_finite(),
        "no time": pl.col("at").is_null(),
        "neither 0 nor 1": ~pl.col("value").is_in([0.0, 1.0]) if binary else pl.lit(value=False),
    }
    why = pl.coalesce(pl.when(fault).then(pl.lit(name)) for name, fault in faults.items())
    judged = known.with_columns(why=why)
    left_out = judged.filter(pl.col("why").is_not_null()).group_by("why").len().sort("why")
    good = judged.filter(pl.col("why").is_null()).drop("why")
    return Tidy(
        rows=good.unique(maintain_order=True).sort("at", maintain_order=True),
        left_out=tuple((str(name), int(rows)) for name, rows in left_out.iter_rows()),
        waiting=rows.height - known.height,
    )


def _names(values: pl.Series) -> pl.Series:
    if values.dtype == pl.Object:  # what only Python can hold, such as UUIDs
        return pl.Series([None if item is None else str(item) for item in values], dtype=pl.String())
    return values.cast(pl.String)


def _numbers(values: pl.Series, source: LabelSource) -> pl.Series:
    if not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
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
