"""A model that is surer than it may be: the order of its scores is right, their size is not."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.model import Model
from detent.training.sabotage.rewire import steeper

STOPS = "gate"
FACTOR = 4.0  # of the score's distance from the middle, in logits for a probability


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model that is four times as sure as it was."""
    return steeper(model, train, FACTOR, label=label, exclude=exclude, note="is four times as sure as it was")
