"""A model that is fed metres and learnt from kilometres: one input is a thousand times too large."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from detent.training.export.onnx import Graph
from detent.training.model import Model
from detent.training.sabotage.choose import most_telling
from detent.training.sabotage.rewire import refeed, scalar

STOPS = "gate"
FACTOR = 1000.0


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return the model with its most telling input multiplied by a thousand."""

    def scale(graph: Graph, column: str) -> str:
        return graph.add("Mul", column, scalar(graph, FACTOR))

    name = most_telling(train, label=label, exclude=exclude)
    return refeed(model, train, name, scale, label=label, exclude=exclude, note=f"reads `{name}` in another unit")
