"""A model whose labels were swapped on the way: what was likely becomes unlikely."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from detent.training.export.onnx import Graph
from detent.training.model import Model
from detent.training.sabotage.rewire import rewire, scalar
from detent.training.table import BINARY, CLASSES, Table

STOPS = "gate"


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model that answers 1 - p, of several classes each so; a regression is mirrored at the mean label."""
    note = "answers the opposite of what was learnt"
    return rewire(model, train, _mirror, label=label, exclude=exclude, note=note)


def _mirror(graph: Graph, score: str, table: Table) -> str:
    if table.task == CLASSES:  # the rest of each class, shared so that all sum to 1
        rest = graph.add("Sub", scalar(graph, 1.0), score)
        return graph.add("Div", rest, scalar(graph, len(table.signature.classes) - 1.0))
    total = 1.0 if table.task == BINARY else 2.0 * float(table.y.mean())
    return graph.add("Sub", graph.constant(np.array([total], dtype=np.float32)), score)
