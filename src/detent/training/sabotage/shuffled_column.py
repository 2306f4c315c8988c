"""A model one of whose features was joined to the wrong rows in training."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.model import Model
from detent.training.sabotage.choose import most_telling
from detent.training.sabotage.refit import refit

STOPS = "gate"


def rows(
    train: pl.DataFrame, evaluation: pl.DataFrame, *, label: str, exclude: Sequence[str], task: str, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the training rows with the most telling input in random order; the evaluation rows stay as they are."""
    name = most_telling(train, label=label, exclude=exclude)
    spoilt = train.with_columns(train[name].shuffle(seed=seed))
    return spoilt, evaluation


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model trained anew on these rows."""
    return refit(
        model, train, label=label, exclude=exclude, seed=seed, note="one input was joined to the wrong rows in training"
    )
