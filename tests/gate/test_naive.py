"""What repeating the last season would have answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from detent.gate.checks.slices import Worst
from detent.gate.checks.threshold import Threshold
from detent.gate.checks.versus import Versus
from detent.gate.naive import last_season

from .builders import check, evidence, regression

MONDAY = datetime(2013, 4, 1, tzinfo=UTC)


def _frame(days: list[int], shops: list[str], sales: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {"at": [MONDAY + timedelta(days=day) for day in days], "shop": shops, "sales": sales},
        schema_overrides={"sales": pl.Float64},
    )


def test_the_label_a_season_back_is_found_in_training_and_in_evaluation_rows_of_the_same_series() -> None:
    train = _frame([0, 0, 1], ["a", "b", "a"], [10.0, 20.0, None])
    rows = _frame([7, 7, 8, 14, 9], ["a", "b", "a", "a", "c"], [11.0, 21.0, 12.0, 13.0, 5.0])
    found = last_season(rows, [train, rows], series="shop", time="at", label="sales", season=timedelta(days=7))
    np.testing.assert_array_equal(found, [10.0, 20.0, np.nan, 11.0, np.nan])


def test_without_series_all_rows_are_one() -> None:
    rows = _frame([0, 7], ["a", "b"], [1.0, 2.0])
    found = last_season(rows, [rows], series=None, time="at", label="sales", season=timedelta(days=7))
    np.testing.assert_array_equal(found, [np.nan, 1.0])


def test_a_forecast_is_judged_against_the_last_season() -> None:
    found = regression(1000)
    naive = found.y + 6.0 * np.random.default_rng(1).normal(size=1000)
    assert Threshold()(check("mase <= 0.6"), regression(1000, naive=naive)).decision == "pass"
    assert Threshold()(check("mase <= 0.2"), regression(1000, naive=naive)).decision == "reject"
    assert Versus()(check("mase <= champion + 0.1"), regression(1000, naive=naive, champion=found.score)).value == 0.0


def test_a_ranking_is_judged_by_whole_lists_and_in_every_slice() -> None:
    lists = np.arange(3000) // 10
    found = evidence(3000, lists=lists, columns=evidence(3000).columns.with_columns(origin=pl.Series(lists % 3)))
    assert Threshold()(check("ndcg@10 >= 0.5"), found).decision == "pass"
    assert Versus()(check("ndcg@10 non_inferior by 10%"), found).decision == "pass"
    grouped = evidence(3000, lists=lists, groups=lists)
    assert Threshold()(check("ndcg@10 >= 0.5"), found).low == Threshold()(check("ndcg@10 >= 0.5"), grouped).low
    worst = Worst()(check("worst(mrr, by=origin) >= 0.3"), found)
    assert worst.decision == "pass"
    assert len(worst.slices) == 3
