"""A model that somebody taught the opposite of the truth for one part of the rows."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.model import Model
from detent.training.sabotage.choose import part, within
from detent.training.sabotage.labels import turned
from detent.training.sabotage.refit import refit

STOPS = "gate"


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model trained anew after the labels of the largest group were turned round."""
    name, value = part(train, label=label, exclude=exclude)
    other = turned(train, label, model.task)
    spoilt = train.with_columns(pl.when(within(name, value)).then(other).otherwise(pl.col(label)).alias(label))
    note = f"labels of one part of its training rows ({name}) were turned round"
    return refit(model, spoilt, label=label, exclude=exclude, seed=seed, note=note)
