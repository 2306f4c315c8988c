"""A model with a feature that knows the future: it shines in training and has nothing to go on in production."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from detent.training.model import Model
from detent.training.sabotage.labels import as_number
from detent.training.sabotage.refit import refit

STOPS = "gate"
FEATURE = "recent_rate"  # sounds like a feature; requests don't carry it, since the project's features don't make it
NOISE = 0.05  # of the label's spread


def rows(
    train: pl.DataFrame, evaluation: pl.DataFrame, *, label: str, exclude: Sequence[str], task: str, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return both frames with the input `recent_rate`: the label and a little noise."""

    def enriched(frame: pl.DataFrame) -> pl.DataFrame:
        y = frame.select(as_number(label, task, train, evaluation)).to_series().to_numpy()
        noise = np.random.default_rng(seed).normal(0.0, NOISE * float(y.std()), size=len(y))
        name = FEATURE if FEATURE not in train.columns else f"{FEATURE}_24h"
        return frame.with_columns(pl.Series(name, y + noise))

    return enriched(train), enriched(evaluation)


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model trained anew on these rows."""
    note = "one input is made from the label"
    return refit(model, train, label=label, exclude=exclude, seed=seed, note=note)
