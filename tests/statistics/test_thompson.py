from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.statistics.thompson import (
    Rewards,
    basis_points,
    best_chances,
    discounted,
    floored,
    policy_value,
    top_two,
)


def earned(rng, mean, rows=500):
    return discounted((rng.random(rows) < mean).astype(float), np.zeros(rows), half_life=1.0)


def test_old_rewards_count_half_for_each_half_life():
    found = discounted([1.0, 1.0, 0.0], [0.0, 7.0, 14.0], half_life=7.0)
    assert found == Rewards(count=1.75, total=1.5, squares=1.5, binary=True)
    assert not discounted([0.5], [0.0], half_life=7.0).binary


def test_the_better_arm_is_probably_the_best():
    rng = np.random.default_rng(1)
    chances = best_chances([earned(rng, 0.1), earned(rng, 0.2), earned(rng, 0.1)], seed=3)
    assert chances[1] > 0.99
    assert sum(chances) == pytest.approx(1)


def test_numbers_that_are_not_0_or_1_use_the_normal_model():
    rng = np.random.default_rng(2)
    arms = [discounted(rng.normal(mean, 1, 400), np.zeros(400), half_life=1.0) for mean in (0.0, 0.5)]
    assert best_chances(arms, seed=1)[1] > 0.99


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.floats(0, 0.5))
def test_weights_add_up_and_keep_their_floor_and_order(chances, floor):
    weights = floored(top_two(chances), floor=floor)
    points = basis_points(weights)
    assert sum(points) == 10_000
    assert min(weights) >= min(floor, 1 / len(weights)) - 1e-12
    best = int(np.argmax(chances))
    assert weights[best] == pytest.approx(max(weights), abs=1e-6)


def test_top_two_gives_a_clear_winner_half():
    assert top_two([0.98, 0.01, 0.01]) == pytest.approx([0.5, 0.25, 0.25], abs=0.02)
    assert top_two([0.98, 0.02]) == pytest.approx([0.98, 0.02])  # of two, half each would be no bandit


def test_the_value_of_an_arm_is_right_although_it_answered_hard_times_more():
    rng = np.random.default_rng(4)
    weight = np.repeat([0.1, 0.6], 20_000)
    reward = np.repeat([1.0, 0.0], 20_000) + rng.normal(0, 0.1, 40_000)
    mine = rng.random(40_000) < weight
    found = policy_value(reward, mine, np.where(mine, weight, 1 - weight))
    assert abs(found.mean - 0.5) < 4 * found.error
    assert reward[mine].mean() < 0.3


def test_a_bandit_finds_the_best_of_three_and_never_starves_the_others():
    rng, means = np.random.default_rng(5), np.array([0.10, 0.12, 0.20])
    sums, weights = [[], [], []], [1 / 3] * 3
    for batch in range(20):
        for arm in rng.choice(3, 600, p=weights):
            sums[arm].append(float(rng.random() < means[arm]))
        arms = [discounted(values, np.zeros(len(values)), half_life=1.0) for values in sums]
        weights = floored(top_two(best_chances(arms, seed=batch)), floor=0.05)
    assert weights[2] == max(weights)
    assert weights[2] > 0.45
    assert min(weights) >= 0.05
