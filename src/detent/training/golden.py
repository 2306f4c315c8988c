"""Which rows become golden rows: spread over the scores, with one row of nulls and one of unseen categories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.bundle.golden import MAX_ROWS
from detent.bundle.protocol import Golden, Predictor
from detent.records.signature import STRING, Signature

UNSEEN = "(a category that training never saw)"

Value = bool | int | float | str | None


def choose_golden(inputs: pl.DataFrame, scores: NDArray[np.float64], predictor: Predictor) -> Golden:
    """Return at most 64 rows with the scores that `predictor` gives them now.

    The rows stand at equal steps in the order of the scores, so every region of the model's output is covered.
    """
    signature = predictor.signature
    # Of several classes: class by class, and inside a class by how sure the model is.
    order = np.argsort(scores if scores.ndim == 1 else scores.argmax(axis=1) + scores.max(axis=1), kind="stable")
    spread = min(MAX_ROWS - 2, len(order))
    positions = np.unique(np.linspace(0, len(order) - 1, spread).round().astype(np.int64))
    rows = [list(row) for row in inputs[order[positions].tolist()].rows()]
    middle = rows[len(rows) // 2]
    rows.append([None if field.nullable else value for field, value in zip(signature.inputs, middle, strict=True)])
    rows.append([UNSEEN if f.kind == STRING else value for f, value in zip(signature.inputs, middle, strict=True)])
    return score_golden(signature, rows, predictor)


def score_golden(signature: Signature, rows: Sequence[Sequence[Value]], predictor: Predictor) -> Golden:
    """Return golden rows from values in the signature's order, with the predictor's scores."""
    columns = {
        field.name: tuple(_plain(row[position]) for row in rows) for position, field in enumerate(signature.inputs)
    }
    scores = predictor.predict(columns).tolist()
    return Golden(rows=columns, scores=tuple(map(_score, scores)))


def _score(score: float | list[float]) -> float | tuple[float, ...] | None:
    if isinstance(score, list):
        return tuple(score) if np.all(np.isfinite(score)) else None
    return score if np.isfinite(score) else None


def _plain(value: Value) -> Value:
    """JSON has no NaN and no infinity; the model takes both as null here."""
    return None if isinstance(value, float) and not np.isfinite(value) else value
