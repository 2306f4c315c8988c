"""The ratio of two things that took turns on a busy machine."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from detent.statistics.turns import quantile_ratio


def _turns(seed: int, *, ratio: float = 1.0, pairs: int = 400) -> np.ndarray:
    """Return pairs of times on a machine that is now and then busy for a while: 30 % of rows take up to 50 times."""
    draw = np.random.default_rng(seed)
    busy = np.repeat(draw.random(pairs // 20) < 0.3, 20)
    noise = np.where(busy[:, None], draw.pareto(1.1, (pairs, 2)), 0.05 * draw.random((pairs, 2)))
    return 1e-3 * (1.0 + np.minimum(noise, 50.0)) * np.array([ratio, 1.0])


def _covered(seeds: range, quantile: float) -> int:
    found = (quantile_ratio(_turns(seed, pairs=200), quantile, confidence=0.95, seed=seed) for seed in seeds)
    return sum(interval.low <= 1.0 <= interval.high for interval in found)


def test_the_interval_of_two_equal_things_holds_one() -> None:
    assert _covered(range(12), 0.99) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("quantile", [0.5, 0.95, 0.99])
def test_the_interval_covers_one_as_often_as_it_says_however_busy_the_machine(quantile: float) -> None:
    runs = 300
    assert _covered(range(runs), quantile) / runs >= 0.95 - 3 * sqrt(0.95 * 0.05 / runs)


@pytest.mark.parametrize(("quantile", "width"), [(0.5, 1.2), (0.95, 8.0)])
def test_what_is_twice_as_slow_is_seen(quantile: float, width: float) -> None:
    interval = quantile_ratio(_turns(1, ratio=2.0, pairs=1000), quantile, confidence=0.9, seed=0)
    assert interval.low < 2.0 < interval.high < interval.low * width


def test_on_a_quiet_machine_the_ratio_is_exact() -> None:
    turns = np.column_stack([np.full(100, 0.003), np.full(100, 0.002)])
    interval = quantile_ratio(turns, 0.99, confidence=0.95, seed=0)
    assert interval.value == pytest.approx(1.5)
    assert (interval.low, interval.high) == (pytest.approx(1.5, rel=2e-3), pytest.approx(1.5, rel=2e-3))


def test_the_same_seed_gives_the_same_interval_and_times_of_zero_are_no_crash() -> None:
    first, second = (quantile_ratio(_turns(3), 0.95, confidence=0.9, seed=5) for _ in range(2))
    assert first == second
    assert quantile_ratio(np.zeros((50, 2)), 0.5, confidence=0.9, seed=5).value == 1.0


def test_a_ratio_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no interval"):
        quantile_ratio(np.empty((0, 2)), 0.5, confidence=0.9, seed=5)
