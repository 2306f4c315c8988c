"""A model that was trained on rows that it is judged on."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.model import Model
from detent.training.sabotage.refit import refit

STOPS = "gate"


def rows(
    train: pl.DataFrame, evaluation: pl.DataFrame, *, label: str, exclude: Sequence[str], task: str, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the frames with half of the evaluation rows among the training rows as well."""
    half = evaluation.sample(fraction=0.5, seed=seed, shuffle=True).select(train.columns)
    return pl.concat([train, half.cast(train.schema)]), evaluation  # pyright: ignore[reportArgumentType]


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model trained anew on these rows, deep enough to learn them by heart."""
    params = {"num_iterations": 200, "num_leaves": 127, "min_data_in_leaf": 1}
    note = "was trained on half of the rows that it is judged on"
    return refit(model, train, label=label, exclude=exclude, seed=seed, note=note, params=params)
