"""How long the exported artefact takes for a single row on this machine, for checks that look at it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.bundle.protocol import Predictor
from detent.loop.scores import columns_of
from detent.plugins import is_ours
from detent.records.check import Check

LATENCY_ROWS, LATENCY_REPEATS, LATENCY_LOOKS = 64, 5, 3
_TIMED = ("latency", "cost")  # kinds of checks that look at the times of single rows
LATENCY_CALM = 3.0  # p99 over median of a look that nothing disturbed


def asks_for_times(checks: Sequence[Check]) -> bool:
    """Tell whether a check may look at single-row times; checks from elsewhere get all that there is."""
    return any(check.kind in _TIMED or not is_ours("check", check.kind) for check in checks)


def measure_latency(predictor: Predictor, rows: pl.DataFrame) -> NDArray[np.float64]:
    """Return seconds per single-row prediction of the exported artefact on this machine; a warm-up is left out.

    Other processes only add to them. So when the slowest took far longer than usual, it is measured anew, and the
    quietest of at most three looks counts.
    """
    few = columns_of(rows.head(LATENCY_ROWS), [field.name for field in predictor.signature.inputs])
    singles = [
        {name: values[number : number + 1] for name, values in few.items()}
        for number in range(min(rows.height, LATENCY_ROWS))
    ]
    _timed(predictor, singles)
    quietest = np.empty(0)
    for _ in range(LATENCY_LOOKS):
        samples = np.array([seconds for _ in range(LATENCY_REPEATS) for seconds in _timed(predictor, singles)])
        if not len(quietest) or (len(samples) and _tail(samples) < _tail(quietest)):
            quietest = samples
        if not len(quietest) or _tail(quietest) < LATENCY_CALM * np.median(quietest):
            break
    return quietest


def _timed(predictor: Predictor, singles: Sequence[Mapping[str, Sequence[object]]]) -> list[float]:
    samples = []
    for row in singles:
        began = time.perf_counter()
        try:
            predictor.predict(row)
        except Exception:  # noqa: BLE001, S112  (a row that raises has no latency; the gate judges scores in batch)
            continue
        samples.append(time.perf_counter() - began)
    return samples


def _tail(samples: NDArray[np.float64]) -> float:
    return float(np.quantile(samples, 0.99))
