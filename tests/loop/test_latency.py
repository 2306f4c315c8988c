from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from detent.loop.judging.latency import LATENCY_LOOKS, LATENCY_REPEATS, asks_for_times, measure_latency
from detent.records.check import Check
from detent.records.signature import Field, Signature

ROWS = 64
LOOK = ROWS * LATENCY_REPEATS
SLOW = 0.01


class Disturbed:
    """A quick model; some of its calls take long, as if the machine did something else meanwhile."""

    signature = Signature(inputs=(Field(name="x", kind="number", nullable=False),), output="value")

    def __init__(self, slow: range) -> None:
        self.slow, self.calls = slow, 0

    def predict(self, columns: Mapping[str, Sequence[object]]) -> NDArray[np.float64]:
        until = time.perf_counter() + (SLOW if self.calls in self.slow else 0.0005)
        self.calls += 1
        while time.perf_counter() < until:
            pass
        return np.zeros(len(columns["x"]))


def rows() -> pl.DataFrame:
    return pl.DataFrame({"x": np.arange(float(ROWS))})


def test_a_look_that_the_machine_disturbed_is_taken_anew():
    model = Disturbed(range(ROWS, ROWS + LOOK, 10))  # the warming up, and then a tenth of the first look
    samples = measure_latency(model, rows())
    assert len(samples) == LOOK
    assert model.calls >= ROWS + 2 * LOOK
    assert np.quantile(samples, 0.9) < SLOW


def test_a_model_that_is_slow_by_itself_stays_slow():
    model = Disturbed(range(0, ROWS * 1_000, 10))
    assert np.quantile(measure_latency(model, rows()), 0.99) >= SLOW
    assert model.calls <= ROWS + LATENCY_LOOKS * LOOK


@pytest.mark.parametrize(
    ("kinds", "asked"),
    [(("threshold", "size"), False), (("threshold", "latency"), True), (("cost",), True), (("theirs",), True)],
)
def test_times_are_taken_only_where_a_check_may_look_at_them(kinds: tuple[str, ...], asked: bool):
    checks = [
        Check(text=kind, kind=kind, metric=kind, op="<=", threshold=1.0, confidence=None, by=None, line=1)
        for kind in kinds
    ]
    assert asks_for_times(checks) is asked
