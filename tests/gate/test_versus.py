"""The candidate against the champion."""

from __future__ import annotations

import re

import numpy as np
import pytest

from detent.errors import ProjectError
from detent.gate.checks.versus import Versus
from detent.statistics.metrics import METRICS, UndefinedMetricError

from .builders import check, evidence, regression

RULE = "roc_auc >= champion - 0.005 at 95%"


def test_without_a_champion_there_is_nothing_to_compare_with() -> None:
    result = Versus()(check(RULE), evidence(champion=None))
    assert (result.decision, result.reason) == ("pass", "there is no champion to compare with")
    assert result.stamp == "no champion"


def test_the_champion_itself_passes() -> None:
    found = evidence()
    result = Versus()(check(RULE), evidence(champion=found.score))
    assert (result.decision, result.value, result.low) == ("pass", 0.0, 0.0)


def test_a_clearly_worse_model_is_rejected() -> None:
    result = Versus()(check(RULE), evidence(score=np.random.default_rng(5).random(1000)))
    assert result.decision == "reject"
    assert result.value is not None
    assert result.value < -0.1


def test_too_few_rows_are_inconclusive_and_the_advised_number_of_rows_is_enough() -> None:
    rule = check("roc_auc >= champion - 0.02 at 95%")
    result = Versus()(rule, evidence(300, seed=2))
    assert result.decision == "inconclusive"
    advised = re.search(r"about ([\d,]+) rows \(now 300\)", result.reason)
    assert advised is not None
    rows = int(advised[1].replace(",", ""))
    assert rows > 300
    # 4 of 5 is the promise where the measured difference is the true one.
    again = Versus()(rule, evidence(20 * rows, seed=3))
    assert again.decision == "pass"


def test_by_estimate_the_difference_itself_decides() -> None:
    found = evidence()
    assert Versus()(check("roc_auc >= champion - 0.05 by estimate"), found).decision == "pass"
    assert Versus()(check("roc_auc >= champion + 0.05 by estimate"), found).decision == "reject"


def test_better_by_asks_for_a_share_of_the_champions_value() -> None:
    found = evidence(4000, noise=0.2)
    theirs = METRICS["roc_auc"].compute(found.y, found.champion)
    result = Versus()(check("roc_auc better by 2%"), found)
    assert result.threshold == pytest.approx(0.02 * theirs)
    assert result.decision == "reject"
    noisy = np.clip(found.score + 0.3 * np.random.default_rng(1).normal(size=4000), 0, 1)
    assert Versus()(check("roc_auc better by 2%"), evidence(4000, noise=0.2, champion=noisy)).decision == "pass"


def test_non_inferior_by_allows_a_share_of_the_champions_value() -> None:
    found = evidence(4000, noise=0.2)
    result = Versus()(check("roc_auc non_inferior by 4%"), found)
    assert result.decision == "pass"
    assert result.threshold is not None
    assert result.threshold < -0.02
    assert Versus()(check("roc_auc better by 0%"), found).decision != "pass"


def test_a_share_is_of_the_champions_value_in_every_resample() -> None:
    found = regression(2000)
    worse = found.score + 2.0 * np.random.default_rng(9).normal(size=found.rows)
    rule = check("rmse <= champion * 1.05")
    result = Versus()(rule, regression(2000, champion=worse))
    assert result.decision == "pass"
    theirs = METRICS["rmse"].compute(found.y, worse)
    assert result.threshold == pytest.approx(0.05 * theirs)
    assert Versus()(check("rmse better by 10%"), regression(2000, champion=worse)).decision == "pass"
    assert Versus()(check("rmse non_inferior by 5%"), regression(2000, score=worse, champion=found.score)).decision == (
        "reject"
    )


def test_a_share_of_nothing_is_no_margin() -> None:
    found = regression(400)
    with pytest.raises(UndefinedMetricError, match="champion's r2 is -"):
        Versus()(check("r2 better by 2%"), regression(400, champion=np.random.default_rng(1).normal(size=400)))
    with pytest.raises(UndefinedMetricError, match=r"champion's rmse is 0\.0000"):
        Versus()(check("rmse <= champion * 1.02"), regression(400, champion=found.y))


def test_right_or_wrong_rows_are_compared_where_the_models_disagree() -> None:
    found = evidence(2000)
    result = Versus()(check("accuracy >= champion - 0.05"), found)
    assert result.decision == "pass"
    assert "McNemar mid-p" in result.reason
    same = Versus()(check("accuracy >= champion - 0.001"), evidence(2000, champion=found.score))
    assert (same.value, same.decision) == (0.0, "inconclusive")  # no disagreement in 2,000 rows is not none at all


def test_groups_of_rows_are_drawn_as_a_whole() -> None:
    found = evidence(2000)
    rule = check("brier <= champion + 0.01")
    rows, groups = (
        Versus()(rule, evidence(2000, groups=chosen)) for chosen in (None, np.argsort(found.y + found.score) // 40)
    )
    assert rows.value == groups.value
    assert groups.high != rows.high
    few = evidence(2000, groups=np.arange(2000) % 7)
    with pytest.raises(UndefinedMetricError, match="only 7 groups"):
        Versus()(rule, few)


@pytest.mark.parametrize("text", ["calibration_slope >= champion - 0.1", "calibration_slope better by 1%"])
def test_a_metric_that_is_best_in_the_middle_has_no_better_side(text: str) -> None:
    with pytest.raises(ProjectError, match="not when high or low"):
        Versus()(check(text), evidence())


def test_a_lower_is_better_metric_is_mirrored() -> None:
    found = regression()
    worse = found.score + 3.0 * np.random.default_rng(9).normal(size=found.rows)
    rule = check("rmse <= champion + 0.05 at 95%")
    assert Versus()(rule, regression(champion=worse)).decision == "pass"
    assert Versus()(rule, regression(score=worse, champion=found.score)).decision == "reject"


@pytest.mark.parametrize("text", ["roc_auc <= champion + 0.01", "log_loss >= champion - 0.01 at 95%"])
def test_a_rule_that_lets_every_worse_model_pass_is_a_mistake_of_the_project(text: str) -> None:
    with pytest.raises(ProjectError, match="every worse model") as caught:
        Versus()(check(text), evidence())
    assert "champion" in caught.value.fix


def test_equal_models_are_seldom_rejected_and_worse_ones_seldom_accepted() -> None:
    """800 rows; the worse model is about 0.04 below the champion."""
    equal, worse = [], []
    for seed in range(30):
        found = evidence(800, seed=seed)
        equal.append(Versus()(check("roc_auc >= champion - 0.04 at 95%"), found).decision)
        spoilt = np.clip(found.score + 0.12 * np.random.default_rng(seed + 999).normal(size=800), 0, 1)
        worse_found = evidence(800, seed=seed, score=spoilt)
        worse.append(Versus()(check("roc_auc >= champion - 0.005 at 95%"), worse_found).decision)
    assert equal.count("pass") >= 20
    assert equal.count("reject") <= 2
    assert worse.count("pass") <= 2
