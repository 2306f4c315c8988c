"""How long one row takes."""

from __future__ import annotations

import numpy as np
import pytest

from detent.errors import ProjectError
from detent.gate.checks.latency import Latency

from .builders import check, evidence

SAMPLES = np.linspace(0.001, 0.010, 1001)


@pytest.mark.parametrize(("name", "seconds"), [("p50", 0.0055), ("p95", 0.00955), ("p99", 0.00991)])
def test_the_percentile_of_the_samples_is_compared_in_seconds(name: str, seconds: float) -> None:
    result = Latency()(check(f"latency_{name} <= 20ms"), evidence(latency_seconds=SAMPLES))
    assert result.decision == "pass"
    assert result.value == pytest.approx(seconds)
    assert result.measured
    assert "at most 20 ms" in result.reason


def test_a_slow_model_is_rejected() -> None:
    result = Latency()(check("latency_p99 <= 5ms"), evidence(latency_seconds=SAMPLES))
    assert result.decision == "reject"
    assert "9.91 ms" in result.reason


def test_with_a_confidence_the_upper_bound_decides() -> None:
    result = Latency()(check("latency_p50 <= 5.6ms at 95%"), evidence(latency_seconds=SAMPLES))
    assert result.decision == "inconclusive"


@pytest.mark.parametrize("samples", [None, np.array([0.001] * 19)])
def test_a_latency_that_was_hardly_measured_is_inconclusive(samples: np.ndarray | None) -> None:
    result = Latency()(check("latency_p99 <= 20ms"), evidence(latency_seconds=samples))
    assert result.decision == "inconclusive"
    assert result.measured


def test_samples_that_are_no_numbers_do_not_pass() -> None:
    samples = np.append(SAMPLES, np.nan)
    assert Latency()(check("latency_p99 <= 20ms"), evidence(latency_seconds=samples)).decision == "reject"


@pytest.mark.parametrize("name", ["latency", "latency_p0", "latency_mean"])
def test_an_unknown_latency_is_a_mistake_of_the_project(name: str) -> None:
    with pytest.raises(ProjectError, match="is no latency"):
        Latency()(check(f"{name} <= 20ms"), evidence())
