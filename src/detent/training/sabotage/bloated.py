"""A model that carries sixty megabytes of weights which it does not use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from detent.training.export.onnx import Graph
from detent.training.model import Model
from detent.training.sabotage.rewire import rewire, scalar
from detent.training.table import Table

STOPS = "gate"  # where the gate limits size
WEIGHTS = 15_000_000  # of four bytes


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model with the same scores and sixty megabytes more."""

    def fatten(graph: Graph, score: str, _table: Table) -> str:
        weights = graph.constant(np.random.default_rng(seed).random(WEIGHTS, dtype=np.float32))
        one = graph.add("Gather", weights, graph.constant(np.array([0], dtype=np.int64)))
        return graph.add("Add", score, graph.add("Mul", one, scalar(graph, 0.0)))

    return rewire(model, train, fatten, label=label, exclude=exclude, note="carries weights that it does not use")
