"""Groups are answered alike."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from detent.errors import ProjectError
from detent.gate.checks.fairness import Fairness
from detent.gate.evidence import Evidence
from detent.statistics.metrics import UndefinedMetricError

from .builders import check, evidence, regression


def _people(rates: dict[str, float], size: int = 1000, seed: int = 0, **parts: object) -> Evidence:
    """Return people of groups that are answered 1 at these rates; half of each have the label 1."""
    draw = np.random.default_rng(seed)
    sex = np.repeat(list(rates), size)
    n = sex.size
    answered = draw.random(n) < np.repeat(list(rates.values()), size)
    y = (np.arange(n) % 2).astype(float)
    known = {"columns": pl.DataFrame({"sex": sex}), "inputs": (), "y": y, "score": np.where(answered, 0.7, 0.2)}
    return evidence(n, **(known | parts))


@pytest.mark.parametrize("measure", ["parity", "opportunity", "odds"])
def test_equal_groups_pass_and_unequal_ones_are_rejected(measure: str) -> None:
    rule = check(f"{measure}(by=sex) <= 0.15")
    assert Fairness()(rule, _people({"f": 0.3, "m": 0.3}, 3000)).decision == "pass"
    result = Fairness()(rule, _people({"f": 0.3, "m": 0.55, "x": 0.4}, 3000))
    assert result.decision == "reject"
    assert "f 0." in result.reason
    assert "to m 0." in result.reason


def test_the_upper_bound_decides_and_not_the_estimate() -> None:
    found = _people({"f": 0.3, "m": 0.36}, 400, seed=1)
    value = Fairness()(check("parity(by=sex) <= 0.1"), found).value
    assert value is not None
    near = f"parity(by=sex) <= {value + 0.01:.4f}"
    result = Fairness()(check(near), found)
    assert result.decision == "inconclusive"
    assert "upper 95 % bound" in result.reason
    assert Fairness()(check(f"{near} by estimate"), found).decision == "pass"


def test_the_ratio_is_bounded_from_below() -> None:
    rule = check("parity_ratio(by=sex) >= 0.8")
    assert Fairness()(rule, _people({"f": 0.5, "m": 0.5}, 3000)).decision == "pass"
    result = Fairness()(rule, _people({"f": 0.3, "m": 0.5}, 3000))
    assert result.decision == "reject"
    assert result.value == pytest.approx(0.6, abs=0.05)
    assert Fairness()(rule, _people({"f": 0.0, "m": 0.5}, 300)).decision == "reject"


def test_opportunity_looks_at_label_one_only_and_odds_at_both() -> None:
    y = (np.arange(2000) % 2).astype(float)
    women = np.arange(2000) < 1000
    answered = np.where(y == 1, 1.0, np.where(women, 0.0, 1.0))  # label 1 always; label 0 only for men
    found = _people({"f": 0.5, "m": 0.5}, 1000, y=y, score=answered)
    assert Fairness()(check("opportunity(by=sex) <= 0.05"), found).decision == "pass"
    odds = Fairness()(check("odds(by=sex) <= 0.05"), found)
    assert (odds.decision, odds.value) == ("reject", 1.0)
    assert "label 0" in odds.reason


def test_the_cut_says_what_is_an_answer_of_one() -> None:
    found = _people({"f": 0.2, "m": 0.6}, 1000)
    assert Fairness()(check("parity(by=sex) <= 0.1"), found).decision == "reject"
    assert Fairness()(check("parity(by=sex, cut=0.1) <= 0.1"), found).value == 0.0


def test_a_group_that_is_too_small_leaves_it_open_and_a_missing_one_rejects() -> None:
    small = evidence(1100, columns=pl.DataFrame({"sex": ["f"] * 1000 + ["m"] * 100}), inputs=())
    result = Fairness()(check("parity(by=sex) <= 0.9"), small)
    assert result.decision == "inconclusive"
    assert "fewer than 200 rows of a group" in result.reason
    gone = _people({"f": 0.5, "m": 0.5}, expected_slices={"sex": ("f", "m", "x")})
    assert Fairness()(check("parity(by=sex) <= 0.9"), gone).decision == "reject"
    alone = _people({"f": 0.5})
    assert Fairness()(check("parity(by=sex) <= 0.9"), alone).decision == "inconclusive"


def test_a_group_without_the_label_has_no_answer() -> None:
    y = np.where(np.arange(2000) < 1000, 0.0, (np.arange(2000) % 2).astype(float))
    with pytest.raises(UndefinedMetricError, match="`sex` = f has the label 1"):
        Fairness()(check("opportunity(by=sex) <= 0.1"), _people({"f": 0.5, "m": 0.5}, y=y))


def test_a_number_has_no_answers_of_one() -> None:
    with pytest.raises(ProjectError, match="binary task"):
        Fairness()(check("parity(by=other) <= 0.1"), regression())


@pytest.mark.parametrize("rates", [{"f": 0.3, "m": 0.3, "x": 0.3}, {"f": 0.2, "m": 0.35}])
@pytest.mark.parametrize("measure", ["parity", "odds"])
def test_the_bound_covers_the_true_disparity(measure: str, rates: dict[str, float]) -> None:
    rule, truth, runs = check(f"{measure}(by=sex) <= 0.9"), max(rates.values()) - min(rates.values()), 400
    hits = sum((Fairness()(rule, _people(rates, 300, seed)).high or 0.0) >= truth for seed in range(runs))
    assert hits / runs >= 0.95 - 2 * (0.05 * 0.95 / runs) ** 0.5


def test_rows_of_one_person_count_as_one() -> None:
    one = _people({"f": 0.3, "m": 0.4}, 300)
    ten = {
        "columns": pl.concat([one.columns] * 10), "y": np.tile(one.y, 10), "score": np.tile(one.score, 10),
        "champion": None, "keys": None, "train_keys": None, "inputs": (),
    }  # fmt: skip
    rule = check("parity(by=sex) <= 0.5")
    plain = Fairness()(rule, evidence(6000, **ten))
    grouped = Fairness()(rule, evidence(6000, **ten, groups=np.tile(np.arange(600), 10)))
    single = Fairness()(rule, one)
    assert plain.high is not None
    assert grouped.high is not None
    assert grouped.high > plain.high + 0.03
    assert grouped.high == pytest.approx(single.high or 0.0, abs=0.01)
