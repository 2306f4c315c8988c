"""A model that learnt from features of another time: what it is given now was never what it learnt from."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.model import Model
from detent.training.sabotage.refit import refit

STOPS = "gate"


def rows(
    train: pl.DataFrame, evaluation: pl.DataFrame, *, label: str, exclude: Sequence[str], task: str, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the training rows with every number a hundred rows late; the evaluation rows stay as they are."""
    numbers = [name for name, kind in train.schema.items() if kind.is_numeric() and name not in (label, *exclude)]
    late = pl.col(numbers).shift(100)
    spoilt = train.with_columns(late.fill_null(pl.col(numbers).last()))
    return spoilt, evaluation


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model trained anew on these rows."""
    return refit(
        model, train, label=label, exclude=exclude, seed=seed, note="its numbers were a hundred rows late in training"
    )
