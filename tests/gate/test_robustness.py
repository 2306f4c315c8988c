"""What an input that fails or moves may cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detent.errors import ProjectError
from detent.gate.checks.moved import Invariant, Monotone
from detent.gate.checks.robustness import Robustness
from detent.gate.declared import Stressed
from detent.gate.judge import judge

from .builders import BINDING, NOW, check, evidence, regression

MISSING = "robustness(roc_auc, missing=x0) <= 0.05"


def _stressed(n: int = 1000, *, noise: dict[str, float], **parts: Any) -> Stressed:
    """Return the candidate's scores with so much noise added to them."""
    draw, score = np.random.default_rng(9), evidence(n).score
    scores = {key: np.clip(score + size * draw.normal(size=n), 0.0, 1.0) for key, size in noise.items()}
    return Stressed(**({"rows": np.arange(n), "scores": scores} | parts))


def test_a_model_that_hardly_needs_an_input_passes() -> None:
    result = Robustness()(check(MISSING), evidence(stressed=_stressed(noise={"missing:x0": 0.01})))
    assert result.decision == "pass"
    assert result.value == pytest.approx(0.0, abs=0.01)
    assert "when `x0` is missing; the drop is" in result.reason


def test_a_model_that_is_lost_without_an_input_is_rejected() -> None:
    result = Robustness()(check(MISSING), evidence(stressed=_stressed(noise={"missing:x0": 5.0})))
    assert result.decision == "reject"
    assert result.value is not None
    assert result.value > 0.1


def test_the_bound_decides_and_the_estimate_on_demand() -> None:
    stressed = _stressed(noise={"missing:x0": 0.12})
    drop = Robustness()(check(MISSING), evidence(stressed=stressed)).value
    assert drop is not None
    line = f"robustness(roc_auc, missing=x0) <= {drop + 0.002:.4f}"
    assert Robustness()(check(line), evidence(stressed=stressed)).decision == "inconclusive"
    assert Robustness()(check(f"{line} by estimate"), evidence(stressed=stressed)).decision == "pass"


def test_of_all_inputs_the_worst_one_counts_and_is_named() -> None:
    stressed = _stressed(
        noise={"shuffled:x0": 0.01, "shuffled:x1": 5.0, "shuffled:x2": 0.1, "missing:x0": 9.0},
        closed={"shuffled": ("origin",)},
    )
    result = Robustness()(check("robustness(roc_auc, shuffled=any) <= 0.05"), evidence(stressed=stressed))
    assert result.decision == "reject"
    assert "when `x1` is another row's" in result.reason
    assert "next `x2`" in result.reason
    assert "1 input can't be so" in result.reason


def test_a_loss_drops_when_it_rises() -> None:
    lines = ("robustness(brier, missing=x0) <= 0.02", "robustness(brier, missing=x0) <= 0.5")
    rows = evidence(stressed=_stressed(noise={"missing:x0": 5.0}))
    assert [Robustness()(check(line), rows).decision for line in lines] == ["reject", "pass"]


def test_only_the_rows_that_were_scored_count() -> None:
    chosen = np.arange(0, 1000, 4)
    stressed = Stressed(rows=chosen, scores={"missing:x0": evidence().score[chosen]})
    result = Robustness()(check(MISSING), evidence(stressed=stressed))
    assert (result.rows, result.value, result.decision) == (250, 0.0, "pass")


def test_a_model_that_gives_no_answer_or_no_number_is_rejected() -> None:
    refused = Stressed(rows=np.arange(1000), scores={}, refused={"missing:x0": "`x0` is null"})
    result = Robustness()(check(MISSING), evidence(stressed=refused))
    assert (result.decision, "gives no answer: `x0` is null" in result.reason) == ("reject", True)
    score = evidence().score.copy()
    score[3] = np.nan
    broken = Stressed(rows=np.arange(1000), scores={"missing:x0": score})
    result = Robustness()(check(MISSING), evidence(stressed=broken))
    assert (result.decision, "1 of 1,000 scores are NaN" in result.reason) == ("reject", True)


def test_inputs_that_are_refused_when_missing_need_not_be_judged() -> None:
    closed = Stressed(rows=np.arange(1000), scores={}, closed={"missing": ("x0", "x1")})
    result = Robustness()(check("robustness(roc_auc, missing=any) <= 0.05"), evidence(stressed=closed))
    assert (result.decision, "no input can be missing" in result.reason) == ("pass", True)


def test_what_nobody_collected_does_not_pass() -> None:
    lines = [MISSING, "monotone(x0, up) <= 1%", "invariant(origin) <= 1%"]
    verdict = judge([check(line) for line in lines], evidence(), binding=BINDING, now=NOW)
    assert [result.decision for result in verdict.results[:3]] == ["inconclusive"] * 3


def test_a_metric_that_is_best_in_the_middle_can_not_drop() -> None:
    with pytest.raises(ProjectError, match="best at 1"):
        Robustness()(
            check("robustness(calibration_slope, missing=x0) <= 0.1"),
            evidence(stressed=_stressed(noise={"missing:x0": 0.1})),
        )


def test_a_regression_is_put_under_stress_too() -> None:
    rows = regression()
    stressed = Stressed(rows=np.arange(800), scores={"stale:x": np.full(800, rows.y.mean())})
    line = "robustness(rmse, stale=x) <= 0.5"
    assert Robustness()(check(line), regression(stressed=stressed)).decision == "reject"


def _moved(line: str, scores: np.ndarray) -> Stressed:
    return Stressed(rows=np.arange(len(scores)), scores={}, moved={line: scores})


@pytest.mark.parametrize(("way", "falls", "decision"), [("up", 0, "pass"), ("up", 60, "reject"), ("down", 0, "reject")])
def test_a_share_of_rows_may_break_a_monotone_rule(way: str, falls: int, decision: str) -> None:
    line = f"monotone(x0, {way}) <= 2%"
    scores = np.tile(np.linspace(0.1, 0.9, 8), (1000, 1))
    scores[:falls, 5] = 0.2
    result = Monotone()(check(line), evidence(stressed=_moved(line, scores)))
    assert result.decision == decision
    if falls:
        assert result.value == pytest.approx(0.06)
        assert "60 break it" in result.reason


def test_few_rows_that_break_no_rule_do_not_prove_a_small_share() -> None:
    line = "monotone(x0, up) <= 1%"
    scores = np.tile(np.linspace(0.1, 0.9, 8), (150, 1))
    assert Monotone()(check(line), evidence(stressed=_moved(line, scores))).decision == "inconclusive"


def test_rounding_breaks_no_rule() -> None:
    line = "monotone(x0, up) <= 1%"
    scores = np.full((1000, 4), 0.3) + 1e-8 * np.random.default_rng(0).normal(size=(1000, 4))
    assert Monotone()(check(line), evidence(stressed=_moved(line, scores))).decision == "pass"


def test_an_input_that_should_not_matter_may_change_answers_by_so_much() -> None:
    scores = np.column_stack([np.full(1000, 0.5), np.full(1000, 0.52)])
    strict, loose = "invariant(origin) <= 1%", "invariant(origin, within=0.05) <= 1%"
    assert Invariant()(check(strict), evidence(stressed=_moved(strict, scores))).decision == "reject"
    assert Invariant()(check(loose), evidence(stressed=_moved(loose, scores))).decision == "pass"


def test_rows_of_a_group_make_a_share_less_sure() -> None:
    line = "invariant(origin) <= 5%"
    scores = np.full((1000, 2), 0.5)
    scores[:20, 1] = 0.9
    plain = Invariant()(check(line), evidence(stressed=_moved(line, scores)))
    groups = np.arange(1000) // 20
    grouped = Invariant()(check(line), evidence(stressed=_moved(line, scores), groups=groups))
    assert plain.high is not None
    assert grouped.high is not None
    assert grouped.high > plain.high


def test_a_column_of_one_value_and_scores_that_are_no_numbers_do_not_pass() -> None:
    line = "invariant(origin) <= 1%"
    assert Invariant()(check(line), evidence(stressed=_moved(line, np.ones((1000, 1))))).decision == "inconclusive"
    bad = np.full((1000, 2), np.nan)
    assert Invariant()(check(line), evidence(stressed=_moved(line, bad))).decision == "reject"


def _refused(seeds: range) -> dict[str, int]:
    """Count refusals of honest models: an input that carries nothing is shuffled, and no rule is broken by 1 %."""
    lines = ["robustness(roc_auc, shuffled=x0) <= 0.04", "monotone(x0, up) <= 5%", "invariant(origin) <= 5%"]
    refused = dict.fromkeys(lines, 0)
    for seed in seeds:
        draw, rows = np.random.default_rng(seed), evidence(2000, seed=seed)
        shuffled = np.clip(rows.score + 0.02 * draw.normal(size=2000), 0.0, 1.0)
        moved = {line: np.column_stack([rows.score, rows.score - (draw.random(2000) < 0.03) * 0.1]) for line in lines}
        stressed = Stressed(rows=np.arange(2000), scores={"shuffled:x0": shuffled}, moved=moved)
        given = evidence(2000, seed=seed, stressed=stressed)
        for result in judge([check(line) for line in lines], given, binding=BINDING, now=NOW).results:
            if result.check in refused:
                refused[result.check] += result.decision != "pass"
    return refused


def test_honest_models_pass_under_stress() -> None:
    assert sum(_refused(range(5)).values()) <= 1


@pytest.mark.slow
def test_two_hundred_honest_models_are_refused_under_stress_as_seldom_as_alpha_says() -> None:
    refused = _refused(range(200))
    assert max(refused.values()) <= 0.05 * 200 + 1, refused
