"""How a model of flight delays is made: features, a split by time, a trained model."""

from __future__ import annotations

import polars as pl
from features import features

from detent.data import Split, split_by_time
from detent.pipeline import Candidate, pipeline, step
from detent.training import Model, lightgbm

IDENTITY = ["flight_id", "predict_at"]  # known about a row, never learned from


@step
def labelled(
    flights: pl.DataFrame, weather: pl.DataFrame, departures: pl.DataFrame, outcomes: pl.DataFrame, history_days: float
) -> pl.DataFrame:
    """Features of the flights of the last days whose outcome is known."""
    since = outcomes["landed_at"].max() - pl.duration(days=history_days)
    recent = flights.filter(pl.col("predict_at") >= since)
    rows = features(recent, weather, departures)
    return rows.join(outcomes.select("flight_id", "late"), on="flight_id", how="inner", maintain_order="left")


@step
def split(rows: pl.DataFrame, evaluate_days: float) -> Split:
    """The newest days judge the model; it learns from the days before them."""
    return split_by_time(rows, time="predict_at", evaluate_days=evaluate_days)


@step
def train(rows: pl.DataFrame, learning_rate: float, trees: int, seed: int) -> Model:
    """Fit LightGBM with fixed seeds and export it with its preprocessing as one graph."""
    return lightgbm(
        rows,
        label="late",
        exclude=IDENTITY,
        seed=seed,
        n_estimators=trees,
        learning_rate=learning_rate,
        num_leaves=31,
        min_child_samples=200,
        colsample_bytree=0.5,
        subsample=0.7,
        subsample_freq=1,
        reg_lambda=5.0,
        max_bin=127,
    )


@pipeline
def retrain(flights, weather, departures, outcomes, history_days, evaluate_days, learning_rate, trees, seed):
    """Wire the steps; the gate judges what comes out."""
    rows = labelled(flights, weather, departures, outcomes, history_days)
    parts = split(rows, evaluate_days)
    model = train(parts.train, learning_rate, trees, seed)
    return Candidate(model=model, train=parts.train, evaluation=parts.evaluation)
