"""A model trained on labels that were joined to the wrong rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from detent import plugins
from detent.training.model import Model


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model trained anew after the labels changed places at random."""
    fit = plugins.load("trainer", "lightgbm")
    shuffled = train.with_columns(train[label].shuffle(seed=seed))
    spoilt = fit(shuffled, label=label, exclude=exclude, task=model.task, seed=seed, params={"num_iterations": 50})
    return replace(spoilt, notes=(*spoilt.notes, "was trained on shuffled labels"))
