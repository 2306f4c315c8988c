"""Turn nycflights13 into the four tables of this example: ``python prepare.py FOLDER_WITH_NYCFLIGHTS13_PARQUET``.

Every table has one UTC column that says when a row becomes known; a model may use a row only from then on.

=================== ============= ===========================================================================
data/flights        predict_at    the schedule, one row per flight; predictions are made 2 h before departure
data/outcomes       landed_at     how the flight ended: the label and what it is made of
data/departures     departed_at   flights that have left the gate, with their delay
data/weather        known_at      hourly weather at the three airports, published 10 minutes after the hour
=================== ============= ===========================================================================

``late`` is 1 if the flight arrives more than 15 minutes late, or is cancelled or diverted (no ``arr_delay``), else 0.

``tailnum`` is left out on purpose: in the source it is missing only for flights that were cancelled, so even the fact
that it is missing tells the future.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

OUT = Path(__file__).parent / "data"
NEW_YORK = "America/New_York"
# Airports that the source's airport table does not have: Puerto Rico and the Virgin Islands, one time zone.
CARIBBEAN = dict.fromkeys(["SJU", "BQN", "PSE", "STT"], "America/Puerto_Rico")
LEAD = pl.duration(hours=2)  # a prediction is made this long before the scheduled departure
NO_SHOW = pl.duration(hours=3)  # a cancellation or diversion is on record this long after the planned end
WEATHER_LAG = pl.duration(minutes=10)  # from an observation to its publication


def utc(time_hour: str) -> pl.Expr:
    """Parse the source's UTC text."""
    return pl.col(time_hour).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")


def scheduled_block(flights: pl.DataFrame, zones: dict[str, str]) -> pl.Series:
    """Minutes from scheduled departure to scheduled arrival.

    The source gives the arrival as a wall clock time at the destination: take its first occurrence after departure.
    (With it, ``scheduled_at + block + arr_delay`` shows the source's ``arr_time`` on all but one of 327,346 flights.)
    """
    parts = []
    for (zone,), rows in flights.with_columns(zone=pl.col("dest").replace_strict(zones)).group_by("zone"):
        leaves = pl.col("scheduled_at").dt.convert_time_zone(str(zone)).dt.replace_time_zone(None)
        clock = pl.duration(hours=pl.col("sched_arr_time") // 100, minutes=pl.col("sched_arr_time") % 100)
        arrives = leaves.dt.truncate("1d") + clock
        arrives = pl.when(arrives <= leaves).then(arrives + pl.duration(days=1)).otherwise(arrives)
        arrives = arrives.dt.replace_time_zone(str(zone), ambiguous="earliest").dt.convert_time_zone("UTC")
        parts.append(rows.select("flight_id", block=(arrives - pl.col("scheduled_at")).dt.total_minutes()))
    return flights.join(pl.concat(parts), on="flight_id", how="left", maintain_order="left")["block"]


def prepare(source: Path) -> dict[str, pl.DataFrame]:
    """Read the source's Parquet files and return the example's tables by name."""
    airports = pl.read_parquet(source / "airports.parquet")
    zones = dict(zip(airports["faa"], airports["tzone"], strict=True)) | CARIBBEAN
    # A carrier uses a flight number at most once a day from one airport: date, carrier, number and origin are unique.
    day = pl.date("year", "month", "day").dt.strftime("%Y%m%d")
    flights = pl.read_parquet(source / "flights.parquet").with_columns(
        flight_id=pl.format("{}-{}{}-{}", day, "carrier", "flight", "origin"),
        scheduled_at=utc("time_hour") + pl.duration(minutes=pl.col("minute")),
    )
    assert flights["flight_id"].is_unique().all()
    departed, block = pl.duration(minutes="dep_delay"), pl.duration(minutes="block")
    flights = flights.with_columns(block=scheduled_block(flights, zones)).with_columns(
        predict_at=pl.col("scheduled_at") - LEAD,
        departed_at=pl.col("scheduled_at") + departed,  # null: cancelled
        landed_at=pl.coalesce(
            pl.col("scheduled_at") + block + pl.duration(minutes="arr_delay"),  # arrived
            pl.col("scheduled_at") + departed + block + NO_SHOW,  # diverted
            pl.col("scheduled_at") + NO_SHOW,  # cancelled
        ),
        late=(pl.col("arr_delay").fill_null(999) > 15).cast(pl.Int8),
        scheduled_minutes=pl.col("block").cast(pl.Int16),
        distance=pl.col("distance").cast(pl.Int16),
        dep_delay=pl.col("dep_delay").cast(pl.Int16),
        arr_delay=pl.col("arr_delay").cast(pl.Int16),
    )
    flights = flights.sort("predict_at", "carrier", "flight", "origin")
    assert (flights["landed_at"] > flights["scheduled_at"]).all()
    numbers = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
    schedule = ["flight_id", "predict_at", "scheduled_at", "carrier", "origin", "dest", "distance", "scheduled_minutes"]
    return {
        "flights": flights.select(schedule),
        "outcomes": flights.select("flight_id", "landed_at", "late", "dep_delay", "arr_delay"),
        "departures": flights.drop_nulls("departed_at")
        .sort("departed_at", "carrier", "flight", "origin")
        .select("departed_at", "origin", "dest", "carrier", "dep_delay"),
        "weather": pl.read_parquet(source / "weather.parquet")
        .with_columns(known_at=utc("time_hour") + WEATHER_LAG)
        .sort("known_at", "origin")
        .select("origin", "known_at", *(pl.col(name).cast(pl.Float64) for name in numbers)),
    }


def write(table: pl.DataFrame, path: Path) -> None:
    """Write compact Parquet: times and ids, which hardly repeat, as differences from the row before."""
    arrow = table.to_arrow(compat_level=pl.CompatLevel.oldest())
    differences = {name: "DELTA_BINARY_PACKED" for name, kind in table.schema.items() if kind == pl.Datetime}
    differences |= {name: "DELTA_BYTE_ARRAY" for name in table.columns if name == "flight_id"}
    plain = [name for name in table.columns if name not in differences]
    pq.write_table(
        arrow, path, compression="zstd", compression_level=19, use_dictionary=plain, column_encoding=differences
    )


def main() -> None:
    """Write the tables and say how large they are."""
    if len(sys.argv) != 2:
        sys.exit("usage: python prepare.py FOLDER_WITH_NYCFLIGHTS13_PARQUET")
    OUT.mkdir(exist_ok=True)
    for name, table in prepare(Path(sys.argv[1])).items():
        path = OUT / f"{name}.parquet"
        write(table, path)
        print(f"{path.name:20} {table.height:7,} rows {path.stat().st_size:10,} bytes")


if __name__ == "__main__":
    main()
