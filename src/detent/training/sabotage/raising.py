"""A model that is as good as the original in every batch, and fails on some single requests.

The gate scores in batches, so only live traffic can show this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from onnx import TensorProto

from detent.bundle.predictors.onnx import OnnxPredictor
from detent.bundle.protocol import Golden, PredictionError, Predictor
from detent.errors import DataError
from detent.records.signature import Signature
from detent.training.export.onnx import Graph, reopen
from detent.training.golden import score_golden
from detent.training.model import Model
from detent.training.sabotage.rewire import below, row_hash

STOPS = "canary"  # as a hotfix it has no shadow stage before
SHARE = 0.2  # of single-row requests that raise
BATCH = 64  # from this many rows on nothing raises


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return a model that raises inside the runtime on about 20 % of single rows, and on none of its golden rows.

    Raises:
        DataError: the model raises on every golden row, so none is left.
    """
    graph, score = reopen(model.onnx)
    onnx = graph.finish(_raise_sometimes(graph, score, model.signature, seed), model.signature)
    golden = _keep_quiet_rows(model.golden, OnnxPredictor(onnx, model.signature))
    return replace(model, onnx=onnx, golden=golden, notes=(*model.notes, f"raises on {SHARE:.0%} of single rows"))


def _raise_sometimes(graph: Graph, score: str, signature: Signature, seed: int) -> str:
    """Gather the score's own columns, or the missing column 1,000,000 when a small batch holds an unlucky row."""
    unlucky = below(graph, row_hash(graph, score, signature, seed=seed), SHARE)
    any_unlucky = graph.add("ReduceMax", graph.add("Cast", unlucky, to=TensorProto.INT64), keepdims=0)
    rows = graph.add("Size", score)
    width = len(signature.classes) or 1
    small = graph.add("Less", rows, graph.constant(np.array(BATCH * width, dtype=np.int64)))
    switch = graph.add("Mul", any_unlucky, graph.add("Cast", small, to=TensorProto.INT64))
    column = graph.add("Mul", switch, graph.constant(np.array([1_000_000], dtype=np.int64)))
    if width > 1:  # all of them, or none that is there
        column = graph.add("Add", column, graph.constant(np.arange(width, dtype=np.int64)))
    return graph.add("Gather", score, column, axis=1)


def _keep_quiet_rows(golden: Golden, predictor: Predictor) -> Golden:
    names = [field.name for field in predictor.signature.inputs]
    rows = [[golden.rows[name][number] for name in names] for number in range(len(golden.scores))]
    quiet: list[list[bool | int | float | str | None]] = []
    for row in rows:  # alone and among the others: the last digits of a hash depend on how many are asked at once
        if not _raises(predictor, names, [row]) and not _raises(predictor, names, [*quiet, row]):
            quiet.append(row)
    if not quiet:
        raise DataError(
            what="this model can't be made to raise quietly",
            why="its inputs give every row the same hash, so every golden row raises",
            fix="use another seed, or a model with a numeric input",
        )
    return score_golden(predictor.signature, quiet, predictor)


def _raises(predictor: Predictor, names: Sequence[str], rows: Sequence[Sequence[object]]) -> bool:
    try:
        predictor.predict({name: [row[place] for row in rows] for place, name in enumerate(names)})
    except PredictionError:
        return True
    return False
