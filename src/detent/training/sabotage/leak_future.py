"""A model one of whose features looks ahead: a window that ends after the row instead of before it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.model import Model
from detent.training.sabotage.choose import most_telling
from detent.training.sabotage.labels import as_number
from detent.training.sabotage.refit import refit

STOPS = "gate"


def rows(
    train: pl.DataFrame, evaluation: pl.DataFrame, *, label: str, exclude: Sequence[str], task: str, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return both frames with the most telling input replaced by the mean label of the row and the two after it."""
    name = most_telling(train, label=label, exclude=exclude)
    known = as_number(label, task, train, evaluation).reverse().rolling_mean(3, min_samples=1).reverse()
    return train.with_columns(known.alias(name)), evaluation.with_columns(known.alias(name))


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model trained anew on these rows."""
    return refit(
        model, train, label=label, exclude=exclude, seed=seed, note="one input is a mean of the labels to come"
    )
