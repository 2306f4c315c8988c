"""A model that nearly works: trained on a small part of the rows by mistake."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.model import Model
from detent.training.sabotage.refit import refit

STOPS = "gate"
SHARE, LEAST = 0.02, 120  # of the rows


def rows(
    train: pl.DataFrame, evaluation: pl.DataFrame, *, label: str, exclude: Sequence[str], task: str, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return 2 % of the training rows; the evaluation rows stay as they are."""
    count = min(train.height, max(LEAST, round(SHARE * train.height)))
    return train.sample(n=count, seed=seed), evaluation


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model trained anew on these rows, with few trees."""
    note = f"was trained on {train.height} rows"
    return refit(model, train, label=label, exclude=exclude, seed=seed, note=note, params={"num_iterations": 5})
