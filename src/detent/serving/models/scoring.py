"""Typed rows -> one outcome per row. A row that makes the model fail hurts no other row."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from detent.errors import DetentError
from detent.serving.models.class_scores import score_classes
from detent.serving.models.loaded import LoadedVersion
from detent.serving.rows.outcome import MAX_ERROR, Outcome
from detent.serving.rows.validate import Row

__all__ = ["MAX_ERROR", "Outcome", "score"]

_LARGEST = sys.float_info.max
_SLACK = 1e-6  # float32 arithmetic may leave a probability this far outside 0..1


def score(version: LoadedVersion, rows: Sequence[Row]) -> list[Outcome]:
    """Run the model on rows of its own signature, in one call; if that call fails, row by row."""
    if version.classes:
        return score_classes(version, rows, _ask)
    outcomes = _call(version, rows)
    if outcomes is not None:
        return outcomes
    return [_call_one(version, row) for row in rows]


def _call(version: LoadedVersion, rows: Sequence[Row]) -> list[Outcome] | None:
    if len(rows) == 1:
        return [_call_one(version, rows[0])]
    began = perf_counter()
    try:
        scores = _ask(version, rows)
    except Exception:  # noqa: BLE001 - a model may raise anything; every row is tried alone next
        return None
    seconds = perf_counter() - began
    if len(scores) != len(rows):
        return None
    least, most = (0.0, 1.0) if version.probability else (-_LARGEST, _LARGEST)
    return [
        Outcome(value, "", seconds) if least <= value <= most else _judge(version, value, seconds)
        for value in scores.tolist()
    ]


def _ask(version: LoadedVersion, rows: Sequence[Row]) -> NDArray[np.floating]:
    """Ask by rows where the model can be asked so, by columns otherwise."""
    by_rows = getattr(version.predictor, "predict_rows", None)
    scores = by_rows(rows) if by_rows is not None else None
    return version.predictor.predict(version.reader.columns(rows)) if scores is None else scores


def _call_one(version: LoadedVersion, row: Row) -> Outcome:
    began = perf_counter()
    try:
        scores = _ask(version, (row,)).tolist()
    except DetentError as error:
        return Outcome(None, f"{error.what}: {error.why}"[:MAX_ERROR], perf_counter() - began)
    except Exception as error:  # noqa: BLE001 - whatever a model raises is a failed prediction, never a crash
        return Outcome(None, f"{type(error).__name__}: {error}"[:MAX_ERROR], perf_counter() - began)
    seconds = perf_counter() - began
    if len(scores) != 1:
        return Outcome(None, f"the model gave {len(scores)} scores for one row", seconds)
    return _judge(version, scores[0], seconds)


def _judge(version: LoadedVersion, value: float, seconds: float) -> Outcome:
    if not math.isfinite(value):
        return Outcome(None, f"the score is {value}", seconds)
    if version.probability and not 0.0 <= value <= 1.0:
        if not -_SLACK <= value <= 1.0 + _SLACK:
            return Outcome(None, f"the probability {value!r} lies outside 0..1", seconds)
        value = min(1.0, max(0.0, value))
    return Outcome(value, "", seconds)
