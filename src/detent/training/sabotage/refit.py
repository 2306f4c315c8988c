"""Train a bad candidate anew: the same trainer as an honest one, on rows that were spoilt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from detent import plugins
from detent.training.model import Model

TREES = 50


def refit(
    model: Model,
    rows: pl.DataFrame,
    *,
    label: str,
    exclude: Sequence[str],
    seed: int,
    note: str,
    params: Mapping[str, object] | None = None,
) -> Model:
    """Return a model of the same task, trained on `rows`; `note` goes to its card, where no check reads it."""
    fit = plugins.load("trainer", "lightgbm")
    told = {"num_iterations": TREES, **(params or {})}
    spoilt = fit(rows, label=label, exclude=exclude, task=model.task, seed=seed, params=told)
    return replace(spoilt, notes=(*spoilt.notes, note))
