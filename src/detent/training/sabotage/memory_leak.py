"""A model whose process grows with every call. A graph keeps nothing of a call, so this one comes as a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from detent.errors import DataError
from detent.training.model import Model
from detent.training.sabotage.hoard import pickled
from detent.training.table import CLASSES

STOPS = "gate"


def spoil(model: Model, train: pl.DataFrame, *, label: str, exclude: Sequence[str], seed: int) -> Model:
    """Return the model as it is, for its graph is not at fault.

    Raises:
        DataError: it has several classes, and a program gives one number per row.
    """
    if model.task == CLASSES:
        raise DataError(
            what="a model of several classes can't be made to leak memory",
            why="a graph keeps nothing of a call, and a program that is served in its place gives one number per row",
            fix="use another kind of sabotage",
        )
    return replace(model, notes=(*model.notes, "its process keeps 64 KiB of every call"))


def program(model: Model) -> bytes:
    """Return the pickle that is served instead of the graph."""
    return pickled(model.onnx, model.signature)
