"""A small project with three classes: real handwritten digits, three of them, seen through a few numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.datasets import load_digits

NAMES = {3: "three", 8: "eight", 9: "nine"}
CLASSES = tuple(sorted(NAMES.values()))

DECLARED = """\
project: digits
pipeline: pipeline.py:retrain
params: {trainer: trees, trees: 25}
data:
  digits: {source: data/digits.parquet, time: seen_at, key: digit_id}
target: {data: digits, column: digit, task: multiclass, classes: [three, eight, nine]}
features: features.py:features
gate:
  min_slice: 40
  checks:
    - accuracy >= 0.55
    - top_2 >= 0.8
    - f1_macro >= champion - 0.2
    - log_loss <= champion + 0.4
    - worst(accuracy, by=ink) >= 0.4 by estimate
    - gap(recall_macro, by=ink) <= 0.6
    - ece <= 0.3
    - robustness(accuracy, missing=middle) <= 0.6
    - permuted(roc_auc_ovr) <= 0.75
    - size <= 50MB
serving: {endpoint: digits, workers: 1}
rollout: {stages: [100%], min_requests: 1, min_entities: 1}
monitor: {window: 1h, labels_within: 1h}
"""

PIPELINE = '''\
"""How a model of digits is made."""

import polars as pl
from sklearn.linear_model import LogisticRegression

from detent.data import Split, split_by_time
from detent.pipeline import Candidate, pipeline, step
from detent.training import Model, lightgbm, sklearn
from features import features

IDENTITY = ["digit_id", "seen_at"]


@step
def labelled(digits: pl.DataFrame) -> pl.DataFrame:
    return features(digits).join(digits.select("digit_id", "digit"), on="digit_id", maintain_order="left")


@step
def split(rows: pl.DataFrame) -> Split:
    return split_by_time(rows, time="seen_at", evaluate_days=25)


@step
def train(rows: pl.DataFrame, trainer: str, trees: int) -> Model:
    if trainer == "linear":
        return sklearn(rows, estimator=LogisticRegression(max_iter=300), label="digit", exclude=IDENTITY)
    return lightgbm(
        rows, label="digit", exclude=IDENTITY, task="multiclass", num_iterations=trees, num_leaves=7,
        min_data_in_leaf=10,
    )


@pipeline
def retrain(digits, trainer, trees):
    parts = split(labelled(digits))
    return Candidate(model=train(parts.train, trainer, trees), train=parts.train, evaluation=parts.evaluation)
'''

FEATURES = '''\
"""What is known of a digit when it is seen."""

import polars as pl


def features(digits: pl.DataFrame) -> pl.DataFrame:
    return digits.select("digit_id", "seen_at", "ink", "top_left", "top_right", "middle", "low_left", "low_right")
'''


def digits() -> pl.DataFrame:
    """Return the rows: sums of parts of the picture, with some noise, and the digit by name."""
    data: Any = load_digits()
    chosen = np.flatnonzero(np.isin(data.target, list(NAMES)))
    pictures, truth = data.images[chosen], data.target[chosen]
    draw = np.random.default_rng(0)
    blocks = {
        "top_left": pictures[:, :4, :4], "top_right": pictures[:, :4, 4:], "middle": pictures[:, 3:5, :],
        "low_left": pictures[:, 4:, :4], "low_right": pictures[:, 4:, 4:],
    }  # fmt: skip
    sums = {name: block.sum(axis=(1, 2)) + draw.normal(0, 8, len(chosen)) for name, block in blocks.items()}
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    hours = draw.permutation(len(chosen)) * 60 * 24 / len(chosen)
    ink = pictures.sum(axis=(1, 2))
    return pl.DataFrame(
        {
            "digit_id": [f"d{number:04d}" for number in chosen],
            "seen_at": [begin + timedelta(hours=float(hour)) for hour in hours],
            "ink": np.where(ink > np.median(ink), "heavy", "light"),
            **{name: np.round(values, 1) for name, values in sums.items()},
            "digit": [NAMES[int(number)] for number in truth],
        }
    ).sort("seen_at")


def digits_project(folder: Path) -> Path:
    """Write the project into an empty folder and return it."""
    (folder / "data").mkdir(parents=True)
    digits().write_parquet(folder / "data" / "digits.parquet")
    for name, text in (("detent.yaml", DECLARED), ("pipeline.py", PIPELINE), ("features.py", FEATURES)):
        (folder / name).write_text(text)
    return folder
