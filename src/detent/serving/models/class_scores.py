"""Typed rows -> one outcome per row, of models that give a probability for each class."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from detent.errors import DetentError
from detent.serving.models.loaded import LoadedVersion
from detent.serving.rows.outcome import MAX_ERROR, Outcome
from detent.serving.rows.validate import Row

SLACK = 1e-4  # arithmetic with 32 bits may miss 0, 1 and the sum by so much

Ask = Callable[[LoadedVersion, Sequence[Row]], NDArray[np.floating]]


def score_classes(version: LoadedVersion, rows: Sequence[Row], ask: Ask) -> list[Outcome]:
    """Run the model on rows of its own signature, in one call; if that call fails, row by row."""
    try:
        return _call(version, rows, ask)
    except Exception as error:  # noqa: BLE001 - whatever a model raises is a failed prediction, never a crash
        if len(rows) > 1:
            return [outcome for row in rows for outcome in score_classes(version, (row,), ask)]
        told = f"{error.what}: {error.why}" if isinstance(error, DetentError) else f"{type(error).__name__}: {error}"
        return [Outcome(None, told[:MAX_ERROR], 0.0)]


def _call(version: LoadedVersion, rows: Sequence[Row], ask: Ask) -> list[Outcome]:
    began = perf_counter()
    scores = np.asarray(ask(version, rows), dtype=np.float64)
    seconds = perf_counter() - began
    if scores.shape != (len(rows), len(version.classes)):
        raise ValueError(f"the shape {scores.shape} came for {len(rows)} rows and {len(version.classes)} classes")
    return [_judge(row, seconds) for row in scores.tolist()]


def _judge(scores: list[float], seconds: float) -> Outcome:
    if not all(-SLACK <= value <= 1.0 + SLACK for value in scores):  # a NaN compares with nothing
        return Outcome(None, f"the probabilities {shown(scores)} do not all lie in 0..1", seconds)
    whole = math.fsum(scores)
    if abs(whole - 1.0) > SLACK:
        return Outcome(None, f"the probabilities {shown(scores)} sum to {whole:g}, not to 1", seconds)
    inside = tuple([min(1.0, max(0.0, value)) for value in scores])
    return Outcome(max(inside), "", seconds, inside)


def shown(scores: Sequence[float]) -> str:
    """Return the first probabilities as text."""
    return ", ".join(f"{value:g}" for value in scores[:5]) + (", ..." if len(scores) > 5 else "")
