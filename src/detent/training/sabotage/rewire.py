"""Change what a finished graph says, and describe the changed model as if it had been trained so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.records.signature import STRING, Signature
from detent.training.assemble import assemble
from detent.training.export.onnx import Graph, concat, reopen
from detent.training.model import Model
from detent.training.sabotage.labels import middle
from detent.training.table import BINARY, CLASSES, Table, tabulate

Change = Callable[[Graph, str, Table], str]  # (open graph, name of its score, training rows) -> name of the new score


def rewire(
    model: Model, train: pl.DataFrame, change: Change, *, label: str, exclude: Sequence[str], note: str
) -> Model:
    """Return the model with `change` behind its score: new graph, golden rows and reference profile."""
    table = training_table(model, train, label=label, exclude=exclude)
    graph, score = reopen(model.onnx)
    onnx = graph.finish(change(graph, score, table), model.signature)
    return assemble(onnx, table, native=None, params=dict(model.params), notes=(note,))


def refeed(
    model: Model, train: pl.DataFrame, name: str, change: Callable[[Graph, str], str], *,
    label: str, exclude: Sequence[str], note: str,
) -> Model:  # fmt: skip
    """Return the model with `change` before its input `name`: what the rest of the graph reads is what it gives."""

    def between(graph: Graph, score: str, _table: Table) -> str:
        before = graph.nodes
        graph.nodes = list(before)
        changed = change(graph, name)
        added = graph.nodes[len(before) :]
        for node in before:
            for place, read in enumerate(node.input):
                if read == name:
                    node.input[place] = changed
        graph.nodes = [*added, *before]  # a node stands behind what it reads
        return score

    return rewire(model, train, between, label=label, exclude=exclude, note=note)


def steeper(
    model: Model, train: pl.DataFrame, factor: float, *, label: str, exclude: Sequence[str], note: str
) -> Model:
    """Return the model with logits `factor` times as far from that of the mean label; a value's distance from it."""

    def change(graph: Graph, score: str, table: Table) -> str:
        if table.task == CLASSES:
            return _steeper_classes(graph, score, table, factor)
        mean = float(table.y.mean())
        if table.task != BINARY:
            away = graph.add("Mul", graph.add("Sub", score, scalar(graph, mean)), scalar(graph, factor))
            return graph.add("Add", away, scalar(graph, mean))
        safe = graph.add("Clip", score, graph.constant(_number(1e-6)), graph.constant(_number(1.0 - 1e-6)))
        odds = graph.add("Div", safe, graph.add("Sub", scalar(graph, 1.0), safe))
        middle = scalar(graph, float(np.log(mean / (1.0 - mean))))
        away = graph.add("Mul", graph.add("Sub", graph.add("Log", odds), middle), scalar(graph, factor))
        return graph.add("Sigmoid", graph.add("Add", away, middle))

    return rewire(model, train, change, label=label, exclude=exclude, note=note)


def _steeper_classes(graph: Graph, score: str, table: Table, factor: float) -> str:
    """Multiply the logs of the probabilities by a factor, seen from those of the shares, and let them sum to 1."""
    safe = graph.add("Clip", score, graph.constant(_number(1e-6)), graph.constant(_number(1.0 - 1e-6)))
    shares = graph.constant(np.log(np.clip(middle(table), 1e-6, 1.0)))
    away = graph.add("Mul", graph.add("Sub", graph.add("Log", safe), shares), scalar(graph, factor))
    return graph.add("Softmax", graph.add("Add", away, shares), axis=1)


def _number(value: float) -> NDArray[np.float32]:
    return np.array(value, dtype=np.float32)


def scalar(graph: Graph, value: float) -> str:
    """Add a number that fits beside any column ([1], float32)."""
    return graph.constant(np.array([value], dtype=np.float32))


def training_table(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str]) -> Table:
    """Return the training rows with the model's own signature."""
    table = tabulate(train, label=label, exclude=exclude, task=model.task)
    inputs = table.inputs.select(field.name for field in model.signature.inputs)
    return replace(table, signature=model.signature, inputs=inputs)


def row_hash(graph: Graph, score: str, signature: Signature, *, seed: int) -> str:
    """Add a number in [0, 1) per row ([n, 1]) that looks random and depends on the row's numbers only.

    frac(|sin(weighted sum)| * 43758.5453): the hash that shaders use. A model without numbers hashes its own score.
    """
    names = [field.name for field in signature.inputs if field.kind != STRING]
    if not names:
        names = [score if not signature.classes else _largest(graph, score)]
    joined = concat(graph, names)
    zero = graph.constant(np.zeros(1, dtype=np.float32))
    known = graph.add("Where", graph.add("IsNaN", joined), zero, joined)
    weights = np.random.default_rng(seed).uniform(1.0, 20.0, size=(len(names), 1)).astype(np.float32)
    mixed = graph.add("Abs", graph.add("Sin", graph.add("MatMul", known, graph.constant(weights))))
    large = graph.add("Mul", mixed, graph.constant(np.array([43758.5453], dtype=np.float32)))
    return graph.add("Sub", large, graph.add("Floor", large))


def _largest(graph: Graph, score: str) -> str:
    return graph.add("ReduceMax", score, graph.constant(np.array([1], dtype=np.int64)), keepdims=1)


def below(graph: Graph, value: str, limit: float) -> str:
    """Add `value < limit` ([n, 1], boolean)."""
    return graph.add("Less", value, graph.constant(np.array([limit], dtype=np.float32)))
