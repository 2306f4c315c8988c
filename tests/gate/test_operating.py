"""How often the gate is right and wrong, on models whose truth is known."""

from __future__ import annotations

from math import sqrt

import numpy as np
import polars as pl
import pytest

from detent.gate.checks.threshold import Threshold
from detent.gate.judge import judge
from detent.statistics.mcnemar import rate_difference

from .builders import BINDING, NOW, check, evidence

DISAGREEMENT = 0.1  # share of rows on which exactly one of the two models is right
PAIRS = 4000


def _passes(n: int, gain: float, margin: float, seed: int = 0) -> float:
    """Return the share of 4,000 pairs of models whose lower 95 % bound of the difference exceeds the margin."""
    draw = np.random.default_rng(seed)
    up, down = (DISAGREEMENT + gain) / 2, (DISAGREEMENT - gain) / 2
    counts = draw.multinomial(n, [up, down, 1 - DISAGREEMENT], size=PAIRS)
    pairs, often = np.unique(counts[:, :2], axis=0, return_counts=True)
    above = [rate_difference(int(b), int(c), n, 0.9).low > margin for b, c in pairs]
    return float(np.average(above, weights=often))


def test_the_bound_of_five_hundred_rows_is_wrong_and_right_as_often_as_stated() -> None:
    assert _passes(500, 0.0, 0.0) <= 0.05 + 3 * sqrt(0.05 * 0.95 / PAIRS)
    assert _passes(500, 0.02, 0.0) == pytest.approx(0.41, abs=0.04)
    assert _passes(500, 0.0, -0.01) == pytest.approx(0.18, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "gained", "kept"), [(500, 0.41, 0.18), (2000, 0.89, 0.39), (10_000, 1.0, 0.94)])
def test_the_table_of_operating_characteristics(n: int, gained: float, kept: float) -> None:
    assert _passes(n, 0.0, 0.0) <= 0.05 + 3 * sqrt(0.05 * 0.95 / PAIRS)
    assert _passes(n, 0.02, 0.0) == pytest.approx(gained, abs=0.04)
    assert _passes(n, 0.0, -0.01) == pytest.approx(kept, abs=0.04)


POLICY = [
    "roc_auc >= 0.65",
    "roc_auc >= champion - 0.05",
    "brier non_inferior by 15%",
    "gap(roc_auc, by=origin) <= 0.15",
    "worst(roc_auc, by=origin) >= 0.6",
    "each(roc_auc, by=origin) >= champion - 0.12",
    "parity(by=origin) <= 0.15",
    "calibration_slope >= 0.4",
    "calibration_slope <= 1.4",
    "ece <= 0.15",
]


def _refused(seeds: range) -> dict[str, int]:
    refused = dict.fromkeys(POLICY, 0)
    for seed in seeds:
        rows = evidence(2000, seed=seed)
        for result in judge([check(text) for text in POLICY], rows, binding=BINDING, now=NOW).results:
            if result.check in refused:
                refused[result.check] += result.decision != "pass"
    return refused


def test_honest_candidates_pass_every_check() -> None:
    """With margins that 2,000 rows can see."""
    assert sum(_refused(range(3)).values()) <= 1


@pytest.mark.slow
def test_two_hundred_honest_candidates_are_refused_as_seldom_as_alpha_says() -> None:
    refused = _refused(range(200))
    assert max(refused.values()) <= 0.05 * 200 + 1, refused


def test_candidates_that_are_just_at_the_limit_seldom_pass() -> None:
    """The truth equals the floor: a floor by its bound lets at most alpha through, the estimate half."""
    runs, passed, by_estimate = 400, 0, 0
    for seed in range(runs):
        draw = np.random.default_rng(seed)
        y = draw.integers(0, 2, 500).astype(float)
        right = draw.random(500) < 0.7
        rows = evidence(500, columns=pl.DataFrame({"x": y}), inputs=(), y=y, score=np.where(right, y, 1 - y))
        passed += Threshold()(check("accuracy >= 0.7"), rows).decision == "pass"
        by_estimate += Threshold()(check("accuracy >= 0.7 by estimate"), rows).decision == "pass"
    assert passed / runs <= 0.05 + 3 * sqrt(0.05 * 0.95 / runs)
    assert by_estimate / runs > 0.4
