"""A model that answers NaN for some rows, as after a division by zero in a feature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from detent.training.export.onnx import Graph
from detent.training.model import Model
from detent.training.sabotage.rewire import below, rewire, row_hash
from detent.training.table import Table

STOPS = "gate"
SHARE = 0.05  # of rows that get NaN


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model that answers NaN for about 5 % of rows, always the same ones."""

    def lose_some(graph: Graph, score: str, table: Table) -> str:
        lost = below(graph, row_hash(graph, score, table.signature, seed=seed), SHARE)
        return graph.add("Where", lost, graph.constant(np.array([np.nan], dtype=np.float32)), score)

    note = f"answers NaN for about {SHARE:.0%} of rows"
    return rewire(model, train, lose_some, label=label, exclude=exclude, note=note)
