"""A model whose training labels were flipped in places, as by a broken export."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.model import Model
from detent.training.sabotage.labels import turned
from detent.training.sabotage.refit import refit

STOPS = "gate"
SHARE = 0.4  # of the rows


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model trained anew with 40 % of the labels turned round."""
    chosen = (pl.int_range(pl.len()).shuffle(seed=seed) < SHARE * train.height).alias("chosen")
    other = turned(train, label, model.task)
    spoilt = train.with_columns(pl.when(chosen).then(other).otherwise(pl.col(label)).alias(label))
    note = f"{SHARE:.0%} of its training labels were turned round"
    return refit(model, spoilt, label=label, exclude=exclude, seed=seed, note=note)
