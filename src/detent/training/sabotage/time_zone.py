"""A model whose hours are those of another time zone."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.export.onnx import Graph
from detent.training.model import Model
from detent.training.sabotage.choose import hours
from detent.training.sabotage.rewire import refeed, scalar

STOPS = "gate"
SHIFT, DAY = 9.0, 24.0  # hours


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return the model with the hour of the day nine hours ahead.

    Raises:
        DataError: no input is an hour of the day.
    """

    def shift(graph: Graph, column: str) -> str:
        later = graph.add("Add", column, scalar(graph, SHIFT))
        return graph.add("Mod", later, scalar(graph, DAY), fmod=1)

    name = hours(train, label=label, exclude=exclude)
    return refeed(model, train, name, shift, label=label, exclude=exclude, note=f"reads `{name}` nine hours ahead")
