"""A model that says `perhaps` to everything: the order of its scores is right, their size is not."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.model import Model
from detent.training.sabotage.rewire import steeper

STOPS = "gate"
FACTOR = 0.2  # of the score's distance from the middle, in logits for a probability


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model that is a fifth as sure as it was."""
    return steeper(model, train, FACTOR, label=label, exclude=exclude, note="is a fifth as sure as it was")
