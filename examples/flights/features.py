"""The features of a flight, as they are known 2 hours before its scheduled departure (``predict_at``)."""

from __future__ import annotations

import polars as pl

WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
WEATHER_TTL = "6h"  # an older observation counts as missing


def features(flights: pl.DataFrame, weather: pl.DataFrame, departures: pl.DataFrame) -> pl.DataFrame:
    """Return one row per flight, in the order of ``flights``: schedule, weather and the delays of recent departures.

    Only rows known by then are used: ``weather.known_at <= predict_at``, ``departures.departed_at <= predict_at``.
    ``departures`` must reach back 24 hours before the first flight, ``weather`` 6 hours.
    """
    local = pl.col("scheduled_at").dt.convert_time_zone("America/New_York")
    rows = flights.with_row_index("row").sort("predict_at")
    observed = weather.sort("known_at").select("origin", "known_at", pl.col(WEATHER).cast(pl.Float64))
    rows = latest(rows, observed, "predict_at", "known_at", ["origin"], tolerance=WEATHER_TTL)
    departures = departures.sort("departed_at")
    return (
        rows.with_columns(
            origin_count_1h=recent(rows, departures, "count", ["origin"], hours=1),
            origin_delay_1h=recent(rows, departures, "delay", ["origin"], hours=1),
            origin_late_3h=recent(rows, departures, "late", ["origin"], hours=3),
            origin_delay_24h=recent(rows, departures, "delay", ["origin"], hours=24),
            carrier_delay_3h=recent(rows, departures, "delay", ["origin", "carrier"], hours=3),
            dest_delay_6h=recent(rows, departures, "delay", ["dest"], hours=6),
        )
        .sort("row")
        .select(
            pl.col("flight_id", "predict_at", "carrier", "origin", "dest"),
            minute_of_day=local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute(),
            weekday=local.dt.weekday().cast(pl.Int64),  # Monday is 1
            distance=pl.col("distance").cast(pl.Int64),
            scheduled_minutes=pl.col("scheduled_minutes").cast(pl.Int64),
            **{name: pl.col(name) for name in WEATHER},
            **{name: pl.col(name) for name in RECENT},
        )
    )


RECENT = [
    "origin_count_1h",
    "origin_delay_1h",
    "origin_late_3h",
    "origin_delay_24h",
    "carrier_delay_3h",
    "dest_delay_6h",
]


def recent(rows: pl.DataFrame, departures: pl.DataFrame, what: str, by: list[str], hours: int) -> pl.Series:
    """Return the count, mean delay or late share of departures in the last hours that are equal in ``by``.

    The sum over a window is the running total at its end less the running total at its start.
    """
    delay = pl.col("dep_delay").cast(pl.Int64)
    value = {"count": delay * 0, "delay": delay.clip(-20, 180), "late": (delay > 15).cast(pl.Int64)}[what]
    totals = departures.select(
        *by, "departed_at", n=delay.cum_count().over(by).cast(pl.Int64), total=value.cum_sum().over(by)
    )
    window = rows.select(*by, end="predict_at", start=pl.col("predict_at") - pl.duration(hours=hours))
    end, start = (latest(window, totals, edge, "departed_at", by) for edge in ("end", "start"))
    n, total = (end[name].fill_null(0) - start[name].fill_null(0) for name in ("n", "total"))
    return n if what == "count" else total / n.replace(0, None)  # null where nothing left in the window


def latest(
    rows: pl.DataFrame, table: pl.DataFrame, at: str, known: str, by: list[str], tolerance: str | None = None
) -> pl.DataFrame:
    """Join each row with the last row of ``table`` that was known at its time; both are sorted by time."""
    return rows.join_asof(
        table, left_on=at, right_on=known, by=by, tolerance=tolerance, check_sortedness=False, coalesce=True
    )
