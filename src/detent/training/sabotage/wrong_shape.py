"""A model that answers a single request with two scores, and a batch as it should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from onnx import TensorProto

from detent.training.export.onnx import Graph, reopen
from detent.training.model import Model

STOPS = "canary"  # the gate scores in batches, and golden rows are one
BATCH = 64  # from this many rows on the shape is right


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return the model with every score told twice while there are fewer than 64 rows; its golden rows are kept."""
    graph, score = reopen(model.onnx)
    onnx = graph.finish(_twice(graph, score, len(model.signature.classes) or 1), model.signature)
    return replace(model, onnx=onnx, notes=(*model.notes, "gives two scores for one row"))


def _twice(graph: Graph, score: str, width: int) -> str:
    few = graph.add("Less", graph.add("Size", score), graph.constant(np.array(BATCH * width, dtype=np.int64)))
    more = graph.add("Reshape", graph.add("Cast", few, to=TensorProto.INT64), graph.constant(np.array([1])))
    times = graph.add("Add", more, graph.constant(np.array([1], dtype=np.int64)))
    return graph.add("Tile", score, graph.add("Concat", times, graph.constant(np.array([1], dtype=np.int64)), axis=0))
