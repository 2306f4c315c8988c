"""A model that learnt nothing: every row gets the base rate."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.export.onnx import Graph
from detent.training.model import Model
from detent.training.sabotage.labels import middle
from detent.training.sabotage.rewire import rewire
from detent.training.table import Table

STOPS = "gate"


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model that answers the mean label of `train`, or the share of each class, whatever it is asked."""
    note = "answers the mean label for every row"
    return rewire(model, train, _answer_the_mean, label=label, exclude=exclude, note=note)


def _answer_the_mean(graph: Graph, score: str, table: Table) -> str:
    return graph.add("Expand", graph.constant(middle(table)), graph.add("Shape", score))
