"""What the data must look like. A broken contract stops the run: a model never learns from broken data."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

AIRPORTS = ["EWR", "JFK", "LGA"]


class Flights(pa.DataFrameModel):
    """The schedule."""

    flight_id: str = pa.Field(unique=True)
    predict_at: pl.Datetime = pa.Field(dtype_kwargs={"time_unit": "us", "time_zone": "UTC"})
    origin: str = pa.Field(isin=AIRPORTS)


class Outcomes(pa.DataFrameModel):
    """How flights ended."""

    flight_id: str = pa.Field(unique=True)
    late: pl.Int8 = pa.Field(isin=[0, 1])
