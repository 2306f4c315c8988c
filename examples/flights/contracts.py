"""What the data must look like. A broken contract stops the run: a model never learns from broken data."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

AIRPORTS = ["EWR", "JFK", "LGA"]


class Flights(pa.DataFrameModel):
    """The schedule."""

    flight_id: str = pa.Field(unique=True)
    origin: str = pa.Field(isin=AIRPORTS)
    scheduled_minutes: pl.Int16 = pa.Field(gt=0, lt=1500)


class Outcomes(pa.DataFrameModel):
    """How flights ended."""

    flight_id: str = pa.Field(unique=True)
    late: pl.Int8 = pa.Field(isin=[0, 1])


class Weather(pa.DataFrameModel):
    """Hourly observations."""

    origin: str = pa.Field(isin=AIRPORTS)
    temp: float = pa.Field(ge=-40, le=120, nullable=True)  # Fahrenheit
    visib: float = pa.Field(ge=0, nullable=True)
