from __future__ import annotations

import numpy as np
import pytest

from detent.statistics.classifier import separability


def tables(seed, *, rows=400, columns=5, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, columns)), rng.normal(size=(rows, columns)) + shift * np.eye(columns)[0]


def test_equal_tables_can_not_be_told_apart():
    lows = [separability(*tables(seed, rows=200), seed=seed).low for seed in range(60)]
    assert np.mean(np.array(lows) > 0.5) <= 0.10  # one side of a 95 % interval, and chance
    assert np.mean(np.array(lows) > 0.52) <= 0.05


def test_a_shift_is_seen():
    found = separability(*tables(1, shift=1.0), seed=0)
    assert 0.7 < found.low < found.value < found.high < 0.85


def test_a_change_of_how_columns_go_together_is_seen():
    a, b = tables(2)
    b[:, 1] = 0.9 * b[:, 0] + np.sqrt(1 - 0.81) * b[:, 1]
    assert separability(a, b, seed=0).low > 0.6


def test_one_absurd_row_does_not_blind():
    a, b = tables(3, shift=1.0)
    b[0] = 1e12
    assert separability(a, b, seed=0).low > 0.7


def test_many_columns_and_unequal_sizes_are_fine():
    rng = np.random.default_rng(4)
    found = separability(rng.normal(size=(900, 40)), rng.normal(0.3, 1, size=(100, 40)), seed=0)
    assert found.low > 0.7


def test_what_can_not_be_compared_is_refused():
    a, b = tables(1, rows=9)
    with pytest.raises(ValueError, match="at least 10 rows"):
        separability(a, b, seed=0)
    with pytest.raises(ValueError, match="same columns"):
        separability(a, b[:, :2], seed=0)


def test_a_constant_column_says_nothing():
    a, b = tables(5)
    a[:, 2] = b[:, 2] = 7.0
    assert abs(separability(a, b, seed=0).value - 0.5) < 0.08
