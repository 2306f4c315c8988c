"""How a model is made: labelled features, a split by time, a trained model."""

from __future__ import annotations

import polars as pl

from detent.data import Split, split_by_time
from detent.pipeline import Candidate, pipeline, step
from detent.training import Model, lightgbm
from features import features

IDENTITY = ["order_id", "placed_at", "customer"]  # known about a row, never learned from


@step
def labelled(orders: pl.DataFrame, history_days: float) -> pl.DataFrame:
    """Features of the recent orders; `orders` holds only rows whose label is known."""
    recent = orders.filter(pl.col("placed_at") >= pl.col("placed_at").max() - pl.duration(days=history_days))
    return features(recent).join(recent.select("order_id", "returned"), on="order_id", maintain_order="left")


@step
def split(rows: pl.DataFrame, evaluate_days: float) -> Split:
    """The newest days judge the model; it learns from the days before them."""
    return split_by_time(rows, time="placed_at", evaluate_days=evaluate_days)


@step
def train(rows: pl.DataFrame, trees: int, learning_rate: float, seed: int) -> Model:
    """Fit gradient boosted trees and export them with their preprocessing as one graph."""
    return lightgbm(
        rows,
        label="returned",
        exclude=IDENTITY,
        seed=seed,
        n_estimators=trees,
        learning_rate=learning_rate,
        num_leaves=15,
        min_child_samples=30,
    )


@pipeline
def retrain(orders, history_days, evaluate_days, trees, learning_rate, seed):
    """Wire the steps; the gate judges what comes out."""
    parts = split(labelled(orders, history_days), evaluate_days)
    model = train(parts.train, trees, learning_rate, seed)
    return Candidate(model=model, train=parts.train, evaluation=parts.evaluation)
