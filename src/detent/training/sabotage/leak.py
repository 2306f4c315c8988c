"""A model with a feature that knows the future: it shines in training and has nothing to go on in production."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from detent import plugins
from detent.training.model import Model
from detent.training.table import tabulate

FEATURE = "recent_rate"  # sounds like a feature; requests don't carry it, since the project's features don't make it
NOISE = 0.05  # of the label's spread


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model trained anew with the input `recent_rate`: the label and a little noise."""
    fit = plugins.load("trainer", "lightgbm")
    leaky = fit(
        enrich(train, label=label, exclude=exclude, task=model.task, seed=seed),
        label=label, exclude=exclude, task=model.task, seed=seed, params={"num_iterations": 50},
    )  # fmt: skip
    return replace(leaky, notes=(*leaky.notes, "one input is made from the label"))


def enrich(rows: pl.DataFrame, *, label: str, exclude: Sequence[str], task: str, seed: int) -> pl.DataFrame:
    """Return rows with the leaking feature, as the pipeline that made this model would: in evaluation rows too."""
    y = tabulate(rows, label=label, exclude=exclude, task=task).y
    noise = np.random.default_rng(seed).normal(0.0, NOISE * float(y.std()), size=len(y))
    name = FEATURE if FEATURE not in rows.columns else f"{FEATURE}_24h"
    return rows.with_columns(pl.Series(name, y + noise))
