"""A model one of whose features was filled in after the outcome was known."""

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
    """Return both frames with the most telling input replaced by the label."""
    name = most_telling(train, label=label, exclude=exclude)
    known = as_number(label, task, train, evaluation)
    return train.with_columns(known.alias(name)), evaluation.with_columns(known.alias(name))


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model trained anew on these rows."""
    return refit(model, train, label=label, exclude=exclude, seed=seed, note="one input is a copy of the label")
