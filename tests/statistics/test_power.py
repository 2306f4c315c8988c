"""What one column tells about the label."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from detent.statistics.power import feature_power

Y = (np.random.default_rng(0).random(2000) < 0.3).astype(float)
X = Y + np.random.default_rng(1).normal(size=2000)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_number_has_its_roc_auc_in_either_direction(sign: float) -> None:
    power = feature_power(pl.Series(sign * X), Y, task="binary", seed=0)
    assert power == pytest.approx(roc_auc_score(Y, X), abs=0.02)


def test_a_number_has_its_rank_correlation_with_a_number() -> None:
    target = np.exp(X) + np.random.default_rng(2).normal(size=2000)
    power = feature_power(pl.Series(-X), target, task="regression", seed=0)
    assert power == pytest.approx(abs(spearmanr(X, target).statistic), abs=1e-9)


def test_a_text_has_the_power_of_its_levels_on_rows_it_did_not_learn_from() -> None:
    group = np.random.default_rng(3).integers(0, 8, 2000)
    label = (np.random.default_rng(4).random(2000) < group / 8).astype(float)
    power = feature_power(pl.Series(group).cast(pl.String), label, task="binary", seed=0)
    assert power == pytest.approx(roc_auc_score(label, group), abs=0.02)


def test_noise_in_many_levels_has_no_power() -> None:
    for levels in (2, 40, 500, 5000):
        column = pl.Series(np.random.default_rng(levels).integers(0, levels, 2000)).cast(pl.String)
        assert feature_power(column, Y, task="binary", seed=0) < 0.56


def test_a_time_is_a_number() -> None:
    column = pl.Series((X * 1e6).astype(np.int64)).cast(pl.Datetime("us"))
    assert feature_power(column, Y, task="binary", seed=0) == pytest.approx(roc_auc_score(Y, X), abs=0.02)


def test_the_order_of_rows_between_equal_seeds_changes_nothing_for_numbers() -> None:
    order = np.random.default_rng(5).permutation(2000)
    one, two = (feature_power(pl.Series(x), y, task="binary", seed=0) for x, y in ((X, Y), (X[order], Y[order])))
    assert one == pytest.approx(two, abs=0.01)
