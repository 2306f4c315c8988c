"""A model trained on labels that were joined to the wrong rows."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.model import Model
from detent.training.sabotage.refit import refit

STOPS = "gate"


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model trained anew after the labels changed places at random."""
    shuffled = train.with_columns(train[label].shuffle(seed=seed))
    return refit(model, shuffled, label=label, exclude=exclude, seed=seed, note="was trained on shuffled labels")
