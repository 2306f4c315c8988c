"""A model that thinks about each call for a tenth of a second, and then answers as before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from detent.training.export.onnx import Graph
from detent.training.model import Model
from detent.training.sabotage.rewire import rewire, scalar
from detent.training.table import Table

STOPS = "gate"  # where the gate limits latency; else the canary's slow answers
WIDTH, TIMES = 1024, 4  # products of square matrices, 2 * WIDTH ** 3 operations each


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model with the same scores, after some 8.6 billion operations that change nothing."""
    return rewire(model, train, _dawdle, label=label, exclude=exclude, note="computes much that changes nothing")


def _dawdle(graph: Graph, score: str, _table: Table) -> str:
    first = graph.add("ReduceMax", score, keepdims=0)  # known at the call only, so that nothing is folded away
    size = graph.constant(np.array([WIDTH, WIDTH], dtype=np.int64))
    matrix = graph.add("Expand", graph.add("Mul", first, scalar(graph, 1e-4)), size)
    product = matrix
    for _ in range(TIMES):
        product = graph.add("MatMul", product, matrix)
    nothing = graph.add("Mul", graph.add("ReduceMax", product, keepdims=0), scalar(graph, 0.0))
    return graph.add("Add", score, nothing)
