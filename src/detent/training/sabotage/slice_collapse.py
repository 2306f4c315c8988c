"""A model that knows nothing about one part of the rows, and is as good as ever on the others."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.export.onnx import ML, Graph
from detent.training.model import Model
from detent.training.sabotage.choose import part
from detent.training.sabotage.labels import middle
from detent.training.sabotage.rewire import rewire, scalar
from detent.training.table import Table

STOPS = "gate"


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model that answers the mean label for the largest group of rows."""
    name, value = part(train, label=label, exclude=exclude)

    def forget(graph: Graph, score: str, table: Table) -> str:
        if isinstance(value, str):
            told = {"keys_strings": [value], "values_floats": [1.0], "default_float": 0.0}
            inside = graph.add("Greater", graph.add("LabelEncoder", name, domain=ML, **told), scalar(graph, 0.5))
        else:
            inside = graph.add("Greater", name, scalar(graph, value))
        return graph.add("Where", inside, graph.constant(middle(table)), score)

    note = f"answers the mean label for one part of the rows ({name})"
    return rewire(model, train, forget, label=label, exclude=exclude, note=note)
