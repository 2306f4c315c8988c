"""The three steps of all other projects."""

from __future__ import annotations

import numpy as np
import polars as pl
from helpers import fit, widen

from detent.pipeline import pipeline, step


@step
def read(table: pl.DataFrame) -> np.ndarray:
    return table.drop("id", "known_at").to_numpy()


@step
def features(table: np.ndarray) -> np.ndarray:
    return widen(table)


@step
def train(rows: np.ndarray) -> list:
    return fit(rows)


@pipeline
def flow(table):
    return {"model": train(features(read(table)))}
