"""The candidate against the champion."""

from __future__ import annotations

import re

import numpy as np
import pytest

from detent.errors import ProjectError
from detent.gate.checks.versus import Versus

from .builders import check, evidence, regression

RULE = "roc_auc >= champion - 0.005 at 95%"


def test_without_a_champion_there_is_nothing_to_compare_with() -> None:
    result = Versus()(check(RULE), evidence(champion=None))
    assert (result.decision, result.reason) == ("pass", "there is no champion to compare with")


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


def test_without_a_confidence_the_estimate_decides() -> None:
    found = evidence()
    assert Versus()(check("roc_auc >= champion - 0.05"), found).decision == "pass"
    assert Versus()(check("roc_auc >= champion + 0.05"), found).decision == "reject"


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
