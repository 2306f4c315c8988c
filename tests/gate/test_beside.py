"""Candidate and champion on this machine: time, memory, bytes and money."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detent.gate.declared import SideBySide
from detent.gate.judge import judge
from detent.records.check import CheckResult

from .builders import BINDING, NOW, check, evidence


def _result(line: str, beside: SideBySide | None = None, **parts: Any) -> CheckResult:
    verdict = judge([check(line)], evidence(beside=beside, **parts), binding=BINDING, now=NOW)
    return verdict.results[0]


def _turns(ratio: float = 1.0, *, busy: float = 0.0, seed: int = 0, pairs: int = 600) -> np.ndarray:
    """Return times of two models; the machine is busy for so long a share of the time, in bursts."""
    draw = np.random.default_rng(seed)
    bursts = np.repeat(draw.random(pairs // 20) < busy, 20)
    noise = np.where(bursts[:, None], 20.0 * draw.random((pairs, 2)), 0.05 * draw.random((pairs, 2)))
    return 1e-3 * (1.0 + noise) * np.array([ratio, 1.0])


def test_an_equal_model_passes_and_one_that_is_twice_as_slow_does_not() -> None:
    line = "latency_p99 <= champion * 1.2"
    equal, slow = (_result(line, SideBySide(turns=_turns(ratio))) for ratio in (1.0, 2.0))
    assert (equal.decision, slow.decision) == ("pass", "reject")
    assert slow.measured
    assert "the champion's is 1.05 ms; latency_p99 of 600 rows in turns is 2.1 ms and surely more than" in slow.reason
    assert slow.threshold == pytest.approx(1.2 * 1.05e-3, rel=0.01)


def test_a_busy_machine_refuses_no_equal_model() -> None:
    line = "latency_p99 <= champion * 1.05"
    found = [_result(line, SideBySide(turns=_turns(busy=0.3, seed=seed, pairs=300))) for seed in range(10)]
    assert {result.decision for result in found} == {"pass"}
    # Some of them by luck alone: the value itself is beyond the limit.
    assert any(result.value > result.threshold for result in found if result.value and result.threshold)
    assert any("but not surely so" in result.reason for result in found)


def test_a_slow_model_is_seen_on_a_busy_machine() -> None:
    beside = SideBySide(turns=_turns(3.0, busy=0.3))
    assert _result("latency_p50 <= champion * 1.2", beside).decision == "reject"


def test_with_a_confidence_the_upper_bound_decides_and_by_estimate_the_value() -> None:
    beside = SideBySide(turns=_turns(1.1, busy=0.3))
    value = _result("latency_p95 <= champion by estimate", beside).value
    assert value is not None
    champion = float(np.quantile(_turns(1.1, busy=0.3)[:, 1], 0.95))
    factor = value / champion + 0.01
    assert _result(f"latency_p95 <= champion * {factor:.3f} by estimate", beside).decision == "pass"
    assert _result(f"latency_p95 <= champion * {factor:.3f} at 95%", beside).decision == "inconclusive"


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("latency_p99 <= champion * 1.2", {}),
        ("size <= champion * 2", {}),
        ("memory <= champion * 2", {"memory": (10, 10, 10)}),
        ("cost <= champion * 2", {"second": 0.04 / 3600}),
    ],
)
def test_without_a_champion_nothing_is_compared_and_without_a_measurement_nothing_passes(
    line: str, parts: dict[str, Any]
) -> None:
    first = _result(line, SideBySide(**parts), champion=None)
    assert (first.decision, first.stamp) == ("pass", "no champion")
    assert _result(line, SideBySide(**parts)).decision == "inconclusive"
    assert _result(line).decision == "inconclusive"


def test_a_bundle_may_not_be_so_much_larger_than_the_champions() -> None:
    beside = SideBySide(champion_bytes=600_000)
    larger = _result("size <= champion * 2", beside)
    assert (larger.decision, larger.measured) == ("reject", False)
    assert "the champion's is 600 kB; the bundle's size is 1.23 MB" in larger.reason
    assert _result("size <= champion * 2.1", beside).decision == "pass"


def test_the_median_of_fresh_processes_is_held_to_a_limit() -> None:
    beside = SideBySide(memory=(90_000_000, 400_000_000, 100_000_000))
    assert _result("memory <= 150MB", beside).value == 100_000_000
    assert _result("memory <= 150MB", beside).decision == "pass"
    assert "100 MB" in _result("memory <= 99MB", beside).reason
    assert _result("memory <= 99MB", beside).decision == "reject"


def test_memory_beside_the_champions_is_refused_when_every_run_is_beyond() -> None:
    ours, theirs = (300, 310, 320), (100, 101, 110)
    assert _result("memory <= champion * 2", SideBySide(memory=ours, champion_memory=theirs)).decision == "reject"
    once = SideBySide(memory=(100, 210, 220), champion_memory=theirs)
    assert _result("memory <= champion * 2", once).decision == "pass"


def test_memory_that_could_not_be_measured_says_why() -> None:
    result = _result("memory <= 99MB", SideBySide(untold="the model runs elsewhere"))
    assert (result.decision, "the model runs elsewhere" in result.reason) == ("inconclusive", True)


def test_a_thousand_predictions_cost_their_time_and_their_requests() -> None:
    samples = np.full(100, 0.002)
    beside = SideBySide(second=0.04 / 3600, request=1e-6, currency="EUR")
    result = _result("cost <= 0.01", beside, latency_seconds=samples)
    assert result.value == pytest.approx(1000 * (0.002 * 0.04 / 3600 + 1e-6))
    assert (result.decision, "EUR 0.00102" in result.reason) == ("pass", True)
    assert _result("cost <= 0.001", beside, latency_seconds=samples).decision == "reject"


def test_cost_beside_the_champions_counts_what_requests_cost_for_both() -> None:
    slow = _turns(3.0)
    by_time = SideBySide(turns=slow, second=0.04 / 3600, currency="EUR")
    by_request = SideBySide(turns=slow, second=0.04 / 3600, request=1e-3, currency="EUR")
    assert _result("cost <= champion * 1.2", by_time).decision == "reject"
    assert _result("cost <= champion * 1.2", by_request).decision == "pass"
