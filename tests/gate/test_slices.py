"""A rule for every slice."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from detent.errors import ProjectError
from detent.gate.checks.slices import Each, Worst
from detent.gate.evidence import Evidence
from detent.statistics.metrics import METRICS

from .builders import check, evidence, regression

FLOOR = "each(roc_auc, by=origin) >= 0.65"


def _spoilt(noise: float, n: int = 6000, seed: int = 0) -> Evidence:
    """Return a model that is worse on JFK than its champion, which is as good everywhere."""
    found = evidence(n, seed=seed, noise=0.2)
    jfk = (found.columns["origin"] == "JFK").to_numpy()
    bad = np.clip(found.score + noise * np.random.default_rng(7).normal(size=n), 0, 1)
    return evidence(n, seed=seed, noise=0.2, score=np.where(jfk, bad, found.score))


def _with(values: list[str], n: int) -> Evidence:
    found = evidence(n)
    origin = found.columns["origin"].to_list()
    origin[: len(values)] = values
    return evidence(n, columns=found.columns.with_columns(origin=pl.Series(origin)))


def test_a_model_that_is_good_everywhere_passes_and_every_slice_is_told() -> None:
    result = Each()(check(FLOOR), evidence(6000))
    assert result.decision == "pass"
    assert "holds in 3 slices of `origin`; worst " in result.reason
    assert [part.decision for part in result.slices] == ["pass"] * 3
    assert result.value == min(part.metric or 1.0 for part in result.slices)


def test_one_bad_slice_rejects_and_is_named() -> None:
    for check_of in (Each(), Worst()):
        result = check_of(check(FLOOR.replace("each", "worst") if isinstance(check_of, Worst) else FLOOR), _spoilt(2.0))
        assert result.decision == "reject"
        assert "surely fails in 1 of 3 slices of `origin` (JFK)" in result.reason
        assert {part.value: part.decision for part in result.slices}["JFK"] == "reject"


def test_a_slice_near_the_threshold_is_inconclusive_and_the_needed_rows_are_of_the_whole_holdout() -> None:
    found = evidence(1200)
    values = [part.metric or 1.0 for part in Each()(check(FLOOR), found).slices]
    result = Each()(check(f"each(roc_auc, by=origin) >= {min(values) - 0.01:.4f}"), found)
    assert result.decision == "inconclusive"
    assert "is not certain in" in result.reason
    assert result.needed is not None
    assert result.needed > 1200


def test_against_the_champion_each_slice_is_compared_on_its_own_rows() -> None:
    result = Each()(check("each(roc_auc, by=origin) >= champion - 0.05"), _spoilt(0.0))
    assert result.decision == "pass"
    jfk = next(part for part in result.slices if part.value == "JFK")
    found = _spoilt(0.0)
    rows = (found.columns["origin"] == "JFK").to_numpy()
    assert found.champion is not None
    assert jfk.champion == METRICS["roc_auc"].compute(found.y[rows], found.champion[rows])
    worse = Each()(check("each(roc_auc, by=origin) >= champion - 0.05"), _spoilt(2.0))
    assert worse.decision == "reject"


def test_without_a_champion_it_is_a_rubber_stamp() -> None:
    result = Each()(check("each(roc_auc, by=origin) >= champion - 0.05"), evidence(champion=None))
    assert (result.decision, result.stamp) == ("pass", "no champion")
    assert Each()(check(FLOOR), evidence(6000, champion=None)).stamp == ""


@pytest.mark.parametrize("text", [FLOOR, "worst(roc_auc, by=origin) >= 0.65"])
def test_an_expected_slice_that_is_gone_rejects(text: str) -> None:
    kind = Each() if text.startswith("each") else Worst()
    result = kind(check(text), evidence(6000, expected_slices={"origin": ("EWR", "JFK", "HPN")}))
    assert result.decision == "reject"
    assert result.reason == "no evaluation row has `origin` = HPN, which is expected"
    assert (result.slices[0].value, result.slices[0].rows) == ("HPN", 0)


def test_a_small_slice_is_inconclusive_for_each_and_left_out_of_the_worst() -> None:
    found = _with(["HPN"] * 150, 6000)
    each, worst = Each()(check(FLOOR), found), Worst()(check("worst(roc_auc, by=origin) >= 0.65"), found)
    assert (each.decision, worst.decision) == ("inconclusive", "pass")
    assert "1 smaller slice (150 rows) too small to judge" in each.reason
    assert each.slices[-1].decision == "inconclusive"
    assert worst.slices[-1].decision == "left out"


def test_the_least_rows_of_a_slice_can_be_set() -> None:
    values = ["HPN"] * 150
    found = _with(values, 6000)
    smaller = evidence(6000, columns=found.columns, min_slice=100)
    assert Each()(check("each(accuracy, by=origin) >= 0.5"), smaller).decision == "pass"


def test_slices_of_one_class_and_no_slice_at_all_are_inconclusive() -> None:
    found = evidence(6000)
    y = np.where(found.columns["origin"] == "JFK", 0.0, found.y)
    one_class = Each()(check(FLOOR), evidence(6000, y=y))
    assert one_class.decision == "inconclusive"
    many = evidence(2000, columns=evidence(2000).columns.with_columns(origin=pl.Series([f"k{i}" for i in range(2000)])))
    none = Worst()(check("worst(roc_auc, by=origin) >= 0.65"), many)
    assert none.decision == "inconclusive"
    assert "no slice of `origin` can be judged" in none.reason
    assert len(none.slices) <= 50


def test_a_lower_is_better_metric_is_mirrored() -> None:
    found = regression(4000, columns=pl.DataFrame({"x": np.zeros(4000), "other": np.arange(4000) % 3}))
    assert Worst()(check("worst(rmse, by=other) <= 2.5"), found).decision == "pass"
    assert Worst()(check("worst(rmse, by=other) <= 1.0"), found).decision == "reject"
    with pytest.raises(ProjectError, match="every worse model"):
        Worst()(check("worst(rmse, by=other) >= 1.0"), found)


def test_identical_models_are_exactly_equal_in_every_slice() -> None:
    found = evidence(3000)
    result = Each()(check("each(roc_auc, by=origin) >= champion - 0.001"), evidence(3000, champion=found.score))
    assert result.decision == "pass"
    assert all(part.metric == 0.0 for part in result.slices)


def test_by_estimate_the_values_decide() -> None:
    found = evidence(900)
    values = [part.metric or 1.0 for part in Each()(check(FLOOR), found).slices]
    assert Each()(check(f"each(roc_auc, by=origin) >= {min(values) - 0.001:.4f} by estimate"), found).decision == "pass"
    assert Each()(check(f"each(roc_auc, by=origin) >= {min(values) + 0.001:.4f} by estimate"), found).decision == (
        "reject"
    )


def _accuracies(rates: list[float], seed: int, size: int = 400) -> Evidence:
    draw = np.random.default_rng(seed)
    n = size * len(rates)
    origin = np.repeat(np.arange(len(rates)), size)
    right = draw.random(n) < np.array(rates)[origin]
    y = draw.integers(0, 2, n).astype(float)
    columns = pl.DataFrame({"origin": origin.astype(str)})
    return evidence(n, columns=columns, inputs=(), y=y, score=np.where(right, y, 1 - y))


def test_over_ten_slices_one_false_word_is_as_seldom_as_asked() -> None:
    rule, runs = check("each(accuracy, by=origin) >= 0.8"), 400
    called_bad = called_good = 0
    for seed in range(runs):
        result = Each()(rule, _accuracies([0.8] * 10, seed))  # every slice just holds, and just does not
        called_bad += any(part.decision == "reject" for part in result.slices)
        called_good += any(part.decision == "pass" for part in result.slices)
    limit = 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
    assert called_bad / runs <= limit
    assert called_good / runs <= limit


def test_one_slice_that_does_not_hold_seldom_passes_among_nine_that_do() -> None:
    rule, runs = check("each(accuracy, by=origin) >= 0.8"), 200
    passed = sum(Each()(rule, _accuracies([0.8, *[0.97] * 9], seed)).decision == "pass" for seed in range(runs))
    assert passed / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
