from __future__ import annotations

import numpy as np
import pytest

from detent.monitor.quality import Window, coverage_findings, error_findings, quality_findings
from detent.statistics.metrics import METRICS

MATURE = Window(start="2013-03-01T00:00:00.000000+00:00", end="2013-03-02T00:00:00.000000+00:00", coverage=0.97)
YOUNG = Window(start=MATURE.start, end=MATURE.end, coverage=0.6)


def answers(rows=1000, noise=1.0, seed=0):
    """Labels and scores whose agreement falls with the noise."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=rows)
    y = (signal + rng.normal(size=rows) > 0).astype(float)
    return y, 1 / (1 + np.exp(-(signal + noise * rng.normal(size=rows))))


def judge(y, score, *, metric="roc_auc", floor=None, reference=None, window=MATURE, seed=1, **options):
    return quality_findings(
        y, score, metric=metric, floor=floor, reference_value=reference, window=window, seed=seed, **options
    )


def test_a_window_as_good_as_the_gate_is_information_with_its_interval():
    y, score = answers()
    value = METRICS["roc_auc"].compute(y, score)
    (finding,) = judge(y, score, floor=0.6, reference=value)
    assert (finding.kind, finding.severity, finding.statistic, finding.rows) == ("quality", "INFO", "roc_auc", 1000)
    assert finding.value == pytest.approx(value)
    assert finding.low < finding.value < finding.high
    assert "95% interval" in finding.message
    assert "97% of the window" in finding.message
    assert "at the gate" in finding.message


def test_quality_whose_upper_bound_misses_the_floor_is_critical():
    y, score = answers(noise=30)
    (finding,) = judge(y, score, floor=0.7, reference=0.8)
    assert finding.severity == "CRITICAL"
    assert finding.high < finding.threshold == 0.7
    assert "below the floor of 0.7" in finding.message


def test_a_point_estimate_below_the_floor_is_not_enough():
    y, score = answers(rows=300)
    value = METRICS["roc_auc"].compute(y, score)
    (finding,) = judge(y, score, floor=value + 0.005)
    assert finding.severity == "INFO"


def test_quality_measurably_worse_than_at_the_gate_is_a_warning():
    y, score = answers(rows=3000, noise=2)
    (finding,) = judge(y, score, floor=0.55, reference=0.9)
    assert finding.severity == "WARNING"
    assert finding.threshold == pytest.approx(0.88)
    assert "measurably worse than 0.9 at the gate" in finding.message


def test_a_metric_where_less_is_better_is_judged_by_its_lower_bound():
    rng = np.random.default_rng(0)
    y = rng.normal(size=800)
    score = y + rng.normal(0, 1.0, 800)
    assert judge(y, score, metric="rmse", floor=1.05, reference=1.0)[0].severity == "INFO"
    assert judge(y, score, metric="rmse", floor=0.8, reference=0.7)[0].severity == "CRITICAL"
    low, high = (getattr(judge(y, score, metric="rmse")[0], end) for end in ("low", "high"))
    assert judge(y, score, metric="rmse", floor=(low + high) / 2)[0].severity == "INFO"
    (finding,) = judge(y, score, metric="rmse", floor=2.0, reference=0.7)
    assert finding.severity == "WARNING"
    assert finding.threshold == pytest.approx(0.714)  # 2 % of the gate's value: rmse has the label's unit


@pytest.mark.parametrize(
    ("rows", "window", "statistic"), [(1000, YOUNG, "maturity"), (150, MATURE, "rows"), (150, YOUNG, "maturity")]
)
def test_an_immature_or_small_window_shows_its_value_and_concludes_nothing(rows, window, statistic):
    finding, caveat = judge(*answers(rows=rows, noise=30), floor=0.9, reference=0.95, window=window)
    assert (finding.severity, finding.statistic) == ("INFO", "roc_auc")
    assert (caveat.severity, caveat.statistic, caveat.kind) == ("INFO", statistic, "quality")
    assert "Nothing is concluded" in finding.message


def test_a_window_of_one_class_or_no_rows_has_no_value_and_says_why():
    for y in (np.ones(500), np.array([])):
        (finding,) = judge(y, np.linspace(0, 1, len(y)), floor=0.9)
        assert (finding.severity, finding.statistic) == ("INFO", "rows")
        assert "unknown" in finding.message


def test_the_same_seed_gives_the_same_finding():
    y, score = answers()
    assert judge(y, score, seed=3) == judge(y, score, seed=3)
    assert judge(y, score, seed=3) != judge(y, score, seed=4)


def test_a_healthy_model_is_hardly_ever_accused():
    reference = METRICS["roc_auc"].compute(*answers(rows=100_000, seed=99))
    severities = [judge(*answers(rows=500, seed=s), reference=reference)[0].severity for s in range(60)]
    assert severities.count("INFO") >= 58


@pytest.mark.parametrize(
    ("requests", "errors", "severity"),
    [(1000, 4, "INFO"), (1000, 5, "INFO"), (1000, 6, "WARNING"), (100, 19, "WARNING"), (100, 20, "CRITICAL"),
     (1000, 50, "WARNING"), (1000, 51, "CRITICAL"), (3, 3, "INFO")],
)  # fmt: skip
def test_failed_answers_are_judged_by_share_and_number(requests, errors, severity):
    (finding,) = error_findings(requests=requests, errors=errors, window=MATURE)
    assert (finding.kind, finding.severity, finding.rows) == ("errors", severity, requests)
    assert finding.value == errors / requests


def test_without_failures_there_is_no_finding():
    assert error_findings(requests=100, errors=0, window=MATURE) == []
    assert error_findings(requests=0, errors=0, window=MATURE) == []


@pytest.mark.parametrize(
    ("labelled", "due", "severity"), [(79, True, "WARNING"), (79, False, "INFO"), (80, True, "INFO")]
)
def test_labels_that_are_late_are_a_warning_once_they_are_due(labelled, due, severity):
    (finding,) = coverage_findings(labelled=labelled, answered=100, due=due, window=MATURE)
    assert (finding.kind, finding.severity, finding.value) == ("labels", severity, labelled / 100)
    assert coverage_findings(labelled=0, answered=0, due=True, window=MATURE) == []
