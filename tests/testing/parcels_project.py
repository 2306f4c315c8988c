"""A small project with three classes: what becomes of a parcel, with rows enough for a week of candidates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

ROWS, DAYS = 2_400, 60
CLASSES = ("kept", "lost", "returned")

DECLARED = """\
project: parcels
pipeline: pipeline.py:retrain
data:
  parcels: {source: data/parcels.parquet, time: sent_at, key: parcel_id}
target: {data: parcels, column: fate, task: multiclass, classes: [kept, lost, returned]}
features: features.py:features
gate: [accuracy >= 0.5]
serving: {endpoint: parcels, workers: 1}
rollout: {stages: [100%], min_requests: 1, min_entities: 1}
monitor: {window: 1d, labels_within: 1d}
"""

PIPELINE = '''\
"""How a model of parcels is made."""

import polars as pl

from detent.data import Split, split_by_time
from detent.pipeline import Candidate, pipeline, step
from detent.training import Model, lightgbm
from features import features


@step
def split(parcels: pl.DataFrame) -> Split:
    rows = features(parcels).join(parcels.select("parcel_id", "fate"), on="parcel_id", maintain_order="left")
    return split_by_time(rows, time="sent_at", evaluate_days=20)


@step
def train(rows: pl.DataFrame) -> Model:
    return lightgbm(
        rows, label="fate", exclude=["parcel_id", "sent_at"], task="multiclass", num_iterations=20, num_leaves=7,
        min_data_in_leaf=20,
    )


@pipeline
def retrain(parcels):
    parts = split(parcels)
    return Candidate(model=train(parts.train), train=parts.train, evaluation=parts.evaluation)
'''

FEATURES = '''\
"""What is known of a parcel when it is sent."""

import polars as pl


def features(parcels: pl.DataFrame) -> pl.DataFrame:
    return parcels.select("parcel_id", "sent_at", "weight", "value", "way", "stops")
'''


def parcels() -> pl.DataFrame:
    """Return the rows: light parcels of value get lost, heavy ones come back."""
    draw = np.random.default_rng(5)
    weight, value = np.round(draw.gamma(2.0, 1.5, ROWS), 2), np.round(draw.gamma(2.0, 20.0, ROWS), 2)
    way, stops = draw.choice(["road", "rail", "air"], ROWS, p=[0.6, 0.3, 0.1]), draw.integers(1, 6, ROWS)
    pull = np.stack(
        [
            np.full(ROWS, 2.8),
            0.06 * value - 0.8 * weight + 0.9 * stops - 1.5,
            1.1 * weight + 1.5 * (way == "rail") - 1.5,
        ],
        axis=1,
    )
    noise = draw.gumbel(0.0, 0.7, pull.shape)  # so that each class is as probable as its share of exp(pull / 0.7)
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "parcel_id": [f"p{number:05d}" for number in range(ROWS)],
            "sent_at": [begin + timedelta(days=DAYS * number / ROWS) for number in range(ROWS)],
            "weight": weight,
            "value": value,
            "way": way,
            "stops": stops,
            "fate": [CLASSES[place] for place in (pull + noise).argmax(axis=1)],
        }
    )


def parcels_project(folder: Path) -> Path:
    """Write the project into an empty folder and return it."""
    (folder / "data").mkdir(parents=True)
    parcels().write_parquet(folder / "data" / "parcels.parquet")
    for name, text in (("detent.yaml", DECLARED), ("pipeline.py", PIPELINE), ("features.py", FEATURES)):
        (folder / name).write_text(text)
    return folder
