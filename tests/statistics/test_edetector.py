from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.statistics.edetector import EDetector

BEFORE = 5_000
DETECTOR = EDetector(p0=0.2)


def stream(seed: int, after: float) -> np.ndarray:
    """An error rate of 20 %, and another one from row 5,000 on."""
    first = np.random.default_rng(seed).binomial(1, 0.2, BEFORE)
    return np.r_[first, np.random.default_rng(10_000 + seed).binomial(1, after, 10_000)].astype(float)


@pytest.mark.parametrize(("after", "delay"), [(0.23, 1552.5), (0.25, 719.5), (0.30, 218.0), (0.40, 84.5)])
def test_a_change_is_found_as_fast_as_published_and_none_is_found_before(after: float, delay: float) -> None:
    alarms = [DETECTOR.run(DETECTOR.start(), stream(seed, after), threshold=1e5)[1] for seed in range(60)]
    found = [alarm for alarm in alarms if alarm is not None]
    assert len(found) == 60
    assert min(found) >= BEFORE
    assert np.median(found) - BEFORE == delay


@pytest.mark.parametrize("after", [0.25, 0.4])
def test_it_alarms_at_the_row_at_which_the_recursion_does(after: float) -> None:
    values, bets = stream(3, after), np.array(DETECTOR.used)
    evidence, expected = np.zeros(len(bets)), None
    for number, value in enumerate(values):
        evidence = (evidence + 1) * (1 + bets * (value - 0.2))
        if evidence.mean() >= 1e5:
            expected = number
            break
    state, alarm = DETECTOR.run(DETECTOR.start(), values, threshold=1e5)
    assert alarm == expected
    assert state == pytest.approx(evidence.tolist(), rel=1e-12)


@given(st.lists(st.floats(0, 1), max_size=40), st.integers(0, 40))
def test_values_may_come_in_any_portions(values: list[float], cut: int) -> None:
    whole = DETECTOR.run(DETECTOR.start(), values, threshold=1e9)
    state, _ = DETECTOR.run(DETECTOR.start(), values[:cut], threshold=1e9)
    assert DETECTOR.run(state, values[cut:], threshold=1e9) == whole


def test_a_bet_that_could_lose_more_than_all_is_left_out() -> None:
    assert EDetector(p0=0.5).used == (0.1, 0.2, 0.4, 0.8, 1.6)
    assert EDetector(p0=0.99).used == (0.1, 0.2, 0.4, 0.8)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_what_is_no_loss_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.1"):
        DETECTOR.run(DETECTOR.start(), [0.5, value], threshold=10)


def run_length(seed: int, threshold: float, most: int) -> int:
    values = np.random.default_rng(seed).binomial(1, 0.2, most).astype(float)
    alarm = DETECTOR.run(DETECTOR.start(), values, threshold=threshold)[1]
    return most if alarm is None else alarm + 1


def test_alarms_of_a_mean_on_the_boundary_are_as_far_apart_as_promised() -> None:
    lengths = [run_length(seed, 300.0, 20_000) for seed in range(200)]
    error = np.std(lengths) / np.sqrt(len(lengths))
    assert np.mean(lengths) + 2 * error >= 300.0


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [1e3, 1e4])
def test_alarms_on_the_boundary_are_far_apart_for_large_thresholds_too(threshold: float) -> None:
    lengths = [run_length(seed, threshold, int(20 * threshold)) for seed in range(400)]
    assert np.mean(lengths) - 2 * np.std(lengths) / np.sqrt(len(lengths)) >= threshold
