from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy import stats

from detent.monitor.budget import shares
from detent.monitor.concept.edetector import Evidence
from detent.monitor.concept.protocol import Alarm, State, Terms
from detent.monitor.measured import LabelledWindow, Standard, judge_quality, worse_for_good
from detent.records.finding import CRITICAL, INFO, WARNING, Finding
from detent.records.quality import MEASURED, POWERED, WEIGHTED
from detent.statistics.calibrator import isotonic

BRIER = 1 / 6  # of calibrated scores from Beta(1, 2)
STANDARD = Standard(metric="brier", floor=0.25, at_gate=BRIER, alpha=0.0035)


def answers(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    score = generator.beta(1.0, 2.0, rows)
    return score, (generator.random(rows) < score).astype(float)


def window(score: np.ndarray, label: np.ndarray, *, mature: bool = True, due: float = 1.0) -> LabelledWindow:
    return LabelledWindow(version=4, start="a", end="b", score=score, label=label, mature=mature, due=due)


def told(found: Sequence[Finding]) -> dict[str, str]:
    return {f"{finding.kind}:{finding.statistic}": finding.severity for finding in found}


def test_a_healthy_window_has_its_value_and_nothing_else() -> None:
    found = judge_quality(window(*answers(1, 1_000)), STANDARD)
    assert told(found.findings) == {"labels:coverage": INFO, "quality:brier": INFO}
    (estimate,) = found.estimates
    assert estimate.method == MEASURED
    assert estimate.low < BRIER < estimate.high
    assert "version 4" in found.findings[1].message
    assert "It was 0.1667 at the gate" in found.findings[1].message


def test_below_the_floor_is_critical_and_worse_than_at_the_gate_a_warning() -> None:
    score, y = answers(2, 1_000)
    turned = judge_quality(window(score, 1 - y), STANDARD)
    assert told(turned.findings)["quality:brier"] == CRITICAL
    some = np.random.default_rng(3).random(1_000) < 0.15
    worse = judge_quality(window(score, np.where(some, 1 - y, y)), STANDARD)
    assert told(worse.findings)["quality:brier"] == WARNING


def test_what_is_better_the_larger_it_is_has_its_floor_below() -> None:
    score, y = answers(4, 1_000)
    auc = Standard(metric="roc_auc", floor=0.7, at_gate=0.8, alpha=0.0035)
    assert told(judge_quality(window(score, y), auc).findings)["quality:roc_auc"] == INFO
    assert told(judge_quality(window(1 - score, y), auc).findings)["quality:roc_auc"] == CRITICAL


@pytest.mark.parametrize(("rows", "mature", "reason"), [(1_000, False, "maturity"), (150, True, "rows")])
def test_too_few_labels_show_the_value_and_conclude_nothing(rows: int, *, mature: bool, reason: str) -> None:
    score, y = answers(5, rows)
    found = told(judge_quality(window(score, 1 - y, mature=mature), STANDARD).findings)
    assert found == {"labels:coverage": INFO, "quality:brier": INFO, f"quality:{reason}": INFO}


def test_labels_that_are_missing_though_due_are_a_warning() -> None:
    score, y = answers(6, 1_000)
    y[np.random.default_rng(1).random(1_000) < 0.5] = np.nan
    assert told(judge_quality(window(score, y, mature=False), STANDARD).findings)["labels:coverage"] == WARNING
    assert told(judge_quality(window(score, y, due=0.5), STANDARD).findings)["labels:coverage"] == INFO


def test_nothing_is_known_without_labels_and_nothing_is_said_without_answers() -> None:
    nothing = judge_quality(window(np.array([0.5] * 9), np.full(9, np.nan)), STANDARD)
    assert told(nothing.findings) == {"labels:coverage": WARNING}
    assert nothing.estimates == ()
    assert judge_quality(window(np.empty(0), np.empty(0)), STANDARD).findings == ()


def test_one_class_only_is_a_window_without_a_value() -> None:
    score, _ = answers(7, 400)
    found = judge_quality(window(score, np.ones(400)), replace(STANDARD, metric="roc_auc"))
    assert told(found.findings) == {"labels:coverage": INFO, "quality:rows": INFO}
    assert "unknown" in found.findings[-1].message


def test_labels_of_high_scores_first_are_weighted_and_warn_at_most() -> None:
    score, y = answers(8, 4_000)
    y[np.random.default_rng(2).random(4_000) > 0.05 + 0.8 * score] = np.nan
    found = judge_quality(window(score, y, due=0.3), STANDARD)
    assert "labels:selection" in told(found.findings)
    assert found.estimates[0].method == WEIGHTED
    assert found.estimates[0].low < BRIER < found.estimates[0].high
    turned = judge_quality(window(score, 1 - y, due=0.3), STANDARD)
    assert told(turned.findings)["quality:brier"] == WARNING
    assert "no fair sample" in next(f.message for f in turned.findings if f.statistic == "brier")


def test_few_labels_and_calibrated_scores_tell_more_than_few_labels() -> None:
    calibrator = isotonic(*answers(9, 5_000))
    score, y = answers(10, 3_000)
    y[np.random.default_rng(3).permutation(3_000)[:2_750]] = np.nan
    found = judge_quality(window(score, y, due=0.1), replace(STANDARD, calibrator=calibrator))
    powered, measured = found.estimates
    assert (powered.method, measured.method) == (POWERED, MEASURED)
    assert powered.high - powered.low < measured.high - measured.low
    assert powered.low < BRIER < powered.high
    assert told(found.findings)["estimate:brier"] == INFO


def test_an_alarm_of_the_follower_names_version_limit_and_answer() -> None:
    seen = window(*answers(11, 300))
    alarm, terms = Alarm(position=41, value=2e5, threshold=1e5), Terms(p0=0.2, apart=1e5)
    found = worse_for_good(seen, alarm, terms, at_gate=0.17)
    assert (found.severity, found.kind, found.statistic, found.version) == (CRITICAL, "quality", "loss", 4)
    assert "answer 42 of 300" in found.message


def months_with_alarm(months: int, *, rows: int, metric: str, seed: int) -> int:
    """Count the windows with a WARNING or a CRITICAL of a healthy model, 30 windows a month."""
    budget = shares(1.0, timedelta(days=1))
    at_gate = {"brier": BRIER, "roc_auc": 0.8}[metric]
    standard = Standard(metric=metric, floor=None, at_gate=at_gate, alpha=0.35 * budget.quality)
    terms = Terms(p0=BRIER * 1.02, apart=rows / (0.5 * budget.quality))
    state: State = {}
    alarms = 0
    for number in range(30 * months):
        score, y = answers(seed + number, rows)
        found = judge_quality(window(score, y), standard).findings
        state, alarm = Evidence().update(state, ((score - y) ** 2).tolist(), terms)
        alarms += alarm is not None or any(finding.severity != INFO for finding in found)
    return alarms


def bound(alarms: int, months: int) -> float:
    """Return the one-sided 95 % bound of alarms per month."""
    return float(stats.chi2.ppf(0.95, 2 * alarms + 2)) / 2 / months


def test_a_healthy_model_alarms_in_less_than_three_months_of_ten() -> None:
    assert bound(months_with_alarm(12, rows=250, metric="brier", seed=1_000), 12) <= 0.3


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["brier", "roc_auc"])
@pytest.mark.parametrize("rows", [250, 1_000])
def test_a_healthy_model_alarms_in_less_than_three_months_of_ten_over_years(rows: int, metric: str) -> None:
    assert bound(months_with_alarm(60, rows=rows, metric=metric, seed=50_000), 60) <= 0.3


@pytest.mark.slow
def test_a_model_that_is_exactly_at_its_limit_is_warned_of_as_rarely_as_promised() -> None:
    """The hardest healthy model: its true value is the margin below that at the gate."""
    standard = replace(STANDARD, floor=None, at_gate=BRIER - 0.02, alpha=0.02)
    warned = sum(
        told(judge_quality(window(*answers(90_000 + number, 500)), standard).findings)["quality:brier"] != INFO
        for number in range(1_500)
    )
    assert stats.binomtest(warned, 1_500, 0.02, alternative="greater").pvalue > 0.01
