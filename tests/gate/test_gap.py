"""The difference between slices."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from detent.errors import ProjectError
from detent.gate.checks.gap import Gap
from detent.gate.evidence import Evidence
from detent.statistics.intervals import bootstrap
from detent.statistics.metrics import METRICS

from .builders import check, evidence

RULE = "gap(roc_auc, by=origin) <= 0.08"


def _spoilt(share_jfk_noise: float, n: int = 3000, seed: int = 0) -> Evidence:
    """Return a model that is worse on JFK."""
    found = evidence(n, seed=seed, noise=0.2)
    jfk = (found.columns["origin"] == "JFK").to_numpy()
    noise = share_jfk_noise * np.random.default_rng(7).normal(size=n)
    return evidence(n, seed=seed, noise=0.2, score=np.where(jfk, np.clip(found.score + noise, 0, 1), found.score))


def test_equal_slices_pass_and_the_reason_names_the_worst_and_the_best() -> None:
    result = Gap()(check(RULE), evidence(6000))
    assert result.decision == "pass"
    assert "worst " in result.reason
    assert "best " in result.reason
    assert result.rows == 6000


def test_one_bad_slice_rejects_and_is_named_with_its_value_and_rows() -> None:
    result = Gap()(check(RULE), _spoilt(1.0))
    assert result.decision == "reject"
    assert "worst JFK 0.5" in result.reason
    assert "rows)" in result.reason


def test_the_value_is_the_largest_less_the_smallest_of_the_slices() -> None:
    found = _spoilt(0.3)
    values = []
    for name in ("EWR", "JFK", "LGA"):
        rows = (found.columns["origin"] == name).to_numpy()
        values.append(METRICS["roc_auc"].compute(found.y[rows], found.score[rows]))
    assert Gap()(check(RULE), found).value == pytest.approx(max(values) - min(values), abs=1e-12)


def test_the_upper_bound_decides() -> None:
    found = evidence(1500)
    gap = Gap()(check(RULE), found).value
    assert gap is not None
    near = Gap()(check(f"gap(roc_auc, by=origin) <= {gap + 0.005:.4f} at 95%"), found)
    assert near.decision == "inconclusive"
    assert "upper 95 % bound" in near.reason


def test_small_slices_are_left_out_and_counted() -> None:
    found = evidence(2000)
    origin = found.columns["origin"].to_list()
    origin[:150] = ["HPN"] * 100 + ["ISP"] * 50
    result = Gap()(check(RULE), evidence(2000, columns=found.columns.with_columns(origin=pl.Series(origin))))
    assert "2 smaller slices (150 rows) left out" in result.reason
    assert result.rows == 1850


def test_rows_without_a_value_are_a_slice_of_their_own() -> None:
    found = evidence(2000)
    holes = found.columns.with_columns(
        origin=pl.when(pl.int_range(pl.len()) < 1000).then(None).otherwise(pl.lit("EWR"))
    )
    result = Gap()(check(RULE), evidence(2000, columns=holes))
    assert "(missing)" in result.reason


@pytest.mark.parametrize("values", [["EWR"] * 2000, [f"k{index}" for index in range(2000)]])
def test_fewer_than_two_large_slices_are_inconclusive(values: list[str]) -> None:
    columns = evidence(2000).columns.with_columns(origin=pl.Series(values))
    result = Gap()(check(RULE), evidence(2000, columns=columns))
    assert result.decision == "inconclusive"
    assert "slice of `origin`" in result.reason


def test_a_slice_with_one_class_is_named_and_left_out() -> None:
    found = evidence(2000)
    y = np.where(found.columns["origin"] == "JFK", 0.0, found.y)
    result = Gap()(check(RULE), evidence(2000, y=y))
    assert "roc_auc has no value for JFK" in result.reason


def test_only_the_fifty_largest_slices_of_a_column_with_many_values_are_compared() -> None:
    n = 60 * 210
    columns = evidence(n).columns.with_columns(origin=pl.Series([f"D{index % 60}" for index in range(n)]))
    result = Gap()(check("gap(roc_auc, by=origin) <= 0.5"), evidence(n, columns=columns))
    assert result.rows == 50 * 210
    assert "10 smaller slices" in result.reason


def test_a_column_that_does_not_exist_is_a_mistake_of_the_project() -> None:
    with pytest.raises(ProjectError, match="no column `orign`") as caught:
        Gap()(check("gap(roc_auc, by=orign) <= 0.08"), evidence())
    assert "`origin`" in caught.value.fix


def test_the_gap_of_two_slices_is_as_certain_as_their_values_say() -> None:
    found = _spoilt(0.3, n=4000)
    two = (found.columns["origin"] != "LGA").to_numpy()
    only = evidence(
        int(two.sum()), columns=found.columns.filter(pl.Series(two)), y=found.y[two], score=found.score[two]
    )
    result = Gap()(check(RULE), only)
    variance = 0.0
    for name in ("EWR", "JFK"):
        rows = (only.columns["origin"] == name).to_numpy()
        variance += bootstrap(METRICS["roc_auc"], only.y[rows], only.score[rows], confidence=0.9, seed=0).sd ** 2
    assert result.value is not None
    assert result.high is not None
    assert result.high - result.value == pytest.approx(1.645 * variance**0.5, rel=0.15)


@pytest.mark.parametrize("slices", [3, 10])
def test_the_bound_of_the_gap_covers_the_true_gap(slices: int) -> None:
    """All slices are equal: the true gap is 0, and the measured one always too large; and one is worse by 0.2."""
    runs = 150
    for drop in (0.0, 0.2):
        hits = 0
        for seed in range(runs):
            draw = np.random.default_rng(seed)
            origin = draw.integers(0, slices, 3000)
            right = draw.random(3000) < np.where(origin == 0, 0.8 - drop, 0.8)
            y = draw.integers(0, 2, 3000).astype(float)
            columns = pl.DataFrame({"origin": origin.astype(str)})
            found = evidence(3000, columns=columns, inputs=(), y=y, score=np.where(right, y, 1 - y))
            high = Gap()(check("gap(accuracy, by=origin) <= 0.9"), found).high
            hits += high is not None and high >= drop
        assert hits / runs >= 0.95 - 2 * (0.05 * 0.95 / runs) ** 0.5


def test_an_expected_slice_that_is_gone_rejects() -> None:
    result = Gap()(check(RULE), evidence(3000, expected_slices={"origin": ("EWR", "HPN")}))
    assert result.decision == "reject"
    assert "`origin` = HPN" in result.reason
    assert [part.value for part in result.slices if part.decision == "reject"] == ["HPN"]


def test_every_slice_is_told_with_its_interval() -> None:
    result = Gap()(check(RULE), evidence(6000))
    assert {part.value for part in result.slices} == {"EWR", "JFK", "LGA"}
    for part in result.slices:
        assert part.low is not None
        assert part.metric is not None
        assert part.low < part.metric
