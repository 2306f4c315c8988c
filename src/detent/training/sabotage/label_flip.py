"""A model whose training labels were flipped in places, as by a broken export."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.model import Model
from detent.training.sabotage.refit import refit
from detent.training.table import BINARY

STOPS = "gate"
SHARE = 0.4  # of the rows


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model trained anew with 40 % of the labels turned round; those of a regression mirrored at the mean."""
    chosen = (pl.int_range(pl.len()).shuffle(seed=seed) < SHARE * train.height).alias("chosen")
    told = pl.col(label)
    turned = (1 - told.cast(pl.Int64)).cast(train.schema[label]) if model.task == BINARY else 2 * told.mean() - told
    spoilt = train.with_columns(pl.when(chosen).then(turned).otherwise(told).alias(label))
    note = f"{SHARE:.0%} of its training labels were turned round"
    return refit(model, spoilt, label=label, exclude=exclude, seed=seed, note=note)
