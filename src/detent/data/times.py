"""Time columns as aware UTC datetimes with microseconds."""

from __future__ import annotations

import polars as pl

from detent.errors import DataError, Place

UTC_TIME = pl.Datetime("us", "UTC")


def all_utc(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with every datetime column in UTC; a time without a zone is taken as UTC."""
    return frame.with_columns(
        _aware(frame[name]) for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)
    )


def utc_column(series: pl.Series, *, dataset: str, where: Place) -> pl.Series:
    """Return a column of datetimes, dates or ISO 8601 texts as UTC datetimes; a time without a zone is taken as UTC.

    Raises:
        DataError: the column holds numbers or anything else, or a text that is no time (the first one is named).
    """
    if isinstance(series.dtype, pl.Datetime):
        return _aware(series)
    if series.dtype == pl.Date:
        return series.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if series.dtype == pl.String:
        return _parsed(series, dataset, where)
    raise DataError(
        what=f"column `{series.name}` of `{dataset}` holds no times",
        why=f"its type is {series.dtype}, and a number does not say its unit or zone",
        fix="store datetimes, dates or ISO 8601 texts such as 2024-05-01T06:30:00Z",
        where=where,
    )


def _aware(series: pl.Series) -> pl.Series:
    zone = getattr(series.dtype, "time_zone", None)
    moments = series.dt.replace_time_zone("UTC") if zone is None else series.dt.convert_time_zone("UTC")
    return moments.cast(UTC_TIME)


def _parsed(series: pl.Series, dataset: str, where: Place) -> pl.Series:
    try:
        moments = series.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    except pl.exceptions.ComputeError:  # not one text looks like a time
        moments = pl.Series(series.name, [None] * len(series), dtype=UTC_TIME)
    bad = (moments.is_null() & series.is_not_null()).arg_true()
    if len(bad):
        row = int(bad[0])
        raise DataError(
            what=f"column `{series.name}` of `{dataset}` has {len(bad):,} texts that are no time",
            why=f"row {row} holds {series[row]!r}",
            fix="write times as ISO 8601, such as 2024-05-01T06:30:00Z",
            where=where,
        )
    return moments
