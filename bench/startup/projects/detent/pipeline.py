from __future__ import annotations

import polars as pl
from features import features

from detent.data import Split, split_by_time
from detent.pipeline import Candidate, pipeline, step
from detent.training import Model, lightgbm


@step
def labelled(table: pl.DataFrame) -> pl.DataFrame:
    return features(table).join(table.select("id", "y"), on="id", maintain_order="left")


@step
def split(rows: pl.DataFrame) -> Split:
    return split_by_time(rows, time="known_at", evaluate_days=14)


@step
def train(rows: pl.DataFrame) -> Model:
    return lightgbm(rows, label="y", exclude=["id", "known_at"], seed=1, n_estimators=50, num_leaves=15)


@pipeline
def retrain(table):
    parts = split(labelled(table))
    return Candidate(model=train(parts.train), train=parts.train, evaluation=parts.evaluation)
