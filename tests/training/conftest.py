from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from detent.training import Model, lightgbm

EXCLUDE = ("flight_id", "predict_at")


def make_frame(rows: int = 1500, seed: int = 0) -> pl.DataFrame:
    """Flights with nulls, booleans, categories and a label that depends on most of them."""
    rng = np.random.default_rng(seed)
    temp, hour = rng.normal(10.0, 8.0, rows), rng.integers(0, 24, rows)
    holiday, origin = rng.random(rows) < 0.2, rng.choice(["EWR", "JFK", "LGA"], rows, p=[0.5, 0.3, 0.2])
    logit = 0.1 * (temp - 10.0) + 0.08 * (hour - 12) + np.where(origin == "EWR", 0.8, -0.4) + 0.7 * holiday
    late = rng.random(rows) < 1.0 / (1.0 + np.exp(-logit))
    frame = pl.DataFrame(
        {
            "flight_id": np.arange(rows),
            "predict_at": pl.datetime_range(
                pl.datetime(2013, 1, 1), pl.datetime(2013, 1, 1) + pl.duration(hours=rows - 1), "1h", eager=True
            ),
            "temp": temp,
            "hour": hour,
            "holiday": holiday,
            "origin": origin,
            "gusts": rng.integers(0, 40, rows),
            "delay": 10.0 + 20.0 * logit + rng.normal(0.0, 5.0, rows),
            "late": late.astype(np.int64),
        }
    )
    some = pl.int_range(rows)
    return frame.with_columns(
        temp=pl.when(some % 11 == 0).then(None).otherwise("temp"),
        gusts=pl.when(some % 7 == 0).then(None).otherwise("gusts"),
        origin=pl.when(some % 13 == 0).then(None).otherwise("origin"),
    )


@pytest.fixture(scope="session")
def frame() -> pl.DataFrame:
    return make_frame()


@pytest.fixture(scope="session")
def train(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame for the binary task."""
    return frame.drop("delay")


@pytest.fixture(scope="session")
def model(train: pl.DataFrame) -> Model:
    return lightgbm(train, label="late", exclude=EXCLUDE, seed=1, num_iterations=30)
