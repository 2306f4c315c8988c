"""Functions of the project as metrics and checks."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detent.errors import ProjectError
from detent.gate.judge import judge
from detent.project.code import load_callable
from detent.records.check import CheckResult

from .builders import BINDING, NOW, check, evidence, regression

METRIC = "metric(own.py:profit)"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """Write own.py and return what it defines, as the loop would."""

    def wrote(source: str) -> dict[str, Any]:
        (tmp_path / "own.py").write_text(textwrap.dedent(source))
        name = "profit" if "def profit" in source else "fair"
        return {f"own.py:{name}": load_callable(f"own.py:{name}", tmp_path)}

    return wrote


def result_of(text: str, own: dict[str, Any], **parts: Any) -> CheckResult:
    """Judge one line and return its result."""
    verdict = judge([check(text)], evidence(own=own, **parts), binding=BINDING, now=NOW)
    return next(result for result in verdict.results if result.check == text)


def test_a_metric_is_a_function_of_what_its_parameters_name(write: Callable[[str], dict[str, Any]]) -> None:
    own = write("""
        def profit(y, score, rows):
            worth = rows["x0"].abs().to_numpy()
            return float((worth * ((score >= 0.5) == (y == 1))).mean())
        """)
    rows = evidence()
    expected = np.mean(np.abs(rows.columns["x0"].to_numpy()) * ((rows.score >= 0.5) == (rows.y == 1)))
    result = result_of(f"{METRIC} >= 0.3", own)
    assert result.value == pytest.approx(expected)
    assert result.low is not None
    assert result.high is not None
    assert result.low < expected < result.high
    assert result.decision == "pass"
    assert result_of(f"{METRIC} >= 0.9", own).decision == "reject"


def test_a_metric_of_the_project_stands_in_every_form(write: Callable[[str], dict[str, Any]]) -> None:
    own = write("""
        def profit(y, score):
            return ((score >= 0.5) == (y == 1)).mean()

        profit.higher_is_better = True
        """)
    lines = [
        f"{METRIC} >= champion - 0.1",
        f"{METRIC} non_inferior by 20%",
        "gap(metric(own.py:profit), by=origin) <= 0.3",
        "worst(metric(own.py:profit), by=origin) >= 0.5",
        "each(metric(own.py:profit), by=origin) >= champion - 0.2",
    ]
    assert {line: result_of(line, own).decision for line in lines} == dict.fromkeys(lines, "pass")
    assert result_of(f"{METRIC} better by 20%", own).decision == "reject"


def test_the_project_says_the_same_as_ours_when_it_computes_the_same(write: Callable[[str], dict[str, Any]]) -> None:
    own = write("""
        def profit(y, score):
            return ((y - score) ** 2).mean()
        """)
    ours, mine = (result_of(line, own) for line in ("brier <= 0.25", f"{METRIC} <= 0.25"))
    assert (mine.value, mine.decision) == (pytest.approx(ours.value), ours.decision)
    assert (mine.low, mine.high) == (pytest.approx(ours.low), pytest.approx(ours.high))


def test_a_metric_may_be_named_as_one_of_ours_and_is_not_taken_for_it(write: Callable[[str], dict[str, Any]]) -> None:
    own = write("def profit(y, score):\n    return 0.25\n")
    renamed = {"own.py:roc_auc": next(iter(own.values()))}
    result = result_of("metric(own.py:roc_auc) >= 0.2", renamed)
    assert (result.value, result.decision) == (0.25, "pass")


def test_a_metric_may_bring_its_interval(write: Callable[[str], dict[str, Any]]) -> None:
    own = write("def profit(y, score, confidence):\n    return 5.0, 5.0 - confidence, 6.0\n")
    result = result_of(f"{METRIC} >= 4.2 at 90%", own)
    # The first candidate on its rows is held to half of the 10 %.
    assert (result.value, result.low, result.decision) == (5.0, pytest.approx(4.05), "inconclusive")


@pytest.mark.parametrize(
    ("body", "decision", "words"),
    [
        ("return 1 / 0", "reject", "`profit` failed at own.py:2: ZeroDivisionError: division by zero"),
        ("raise SystemExit('no')", "reject", "own.py:2: SystemExit: no"),
        ("return float('nan')", "inconclusive", "`profit` (own.py:1) returned nan"),
        ("return float('inf')", "inconclusive", "returned inf"),
        ("return score", "reject", "returned ndarray of shape (1000,)"),
        ("return 'good'", "reject", "returned str; a metric returns a number"),
        ("return None", "reject", "returned NoneType"),
        ("return 1.0, 2.0", "reject", "returned tuple of 2"),
        ("return 1.0, 2.0, 3.0", "reject", "low <= value <= high"),
        ("return True", "pass", "at least 0.5"),
    ],
)
def test_a_metric_that_fails_or_answers_nonsense_never_passes(
    write: Callable[[str], dict[str, Any]], body: str, decision: str, words: str
) -> None:
    result = result_of(f"{METRIC} >= 0.5", write(f"def profit(y, score):\n    {body}\n"))
    assert result.decision == decision
    assert words in result.reason


def test_the_line_of_a_failure_is_the_one_in_the_project(write: Callable[[str], dict[str, Any]]) -> None:
    own = write("""
        def half(score):
            return score["nothing"]

        def profit(y, score):
            return half(score)
        """)
    assert "own.py:3: IndexError" in result_of(f"{METRIC} >= 0.5", own).reason


def test_a_metric_without_a_value_on_most_draws_leaves_no_interval(write: Callable[[str], dict[str, Any]]) -> None:
    own = write("""
        def profit(y, score, rows):
            assert rows["x0"].n_unique() == 1000
            return 1.0
        """)
    result = result_of(f"{METRIC} >= 0.5", own)
    assert result.decision == "inconclusive"
    assert "no value" in result.reason


def test_a_function_that_changes_what_it_gets_changes_nothing_of_ours(write: Callable[[str], dict[str, Any]]) -> None:
    own = write("""
        def profit(y, score):
            score.sort()
            y[:] = 0.0
            return 1.0
        """)
    rows = evidence(own=own)
    before = rows.score.copy(), rows.y.copy()
    judge([check(f"{METRIC} >= 0.5")], rows, binding=BINDING, now=NOW)
    np.testing.assert_array_equal(rows.score, before[0])
    np.testing.assert_array_equal(rows.y, before[1])


def test_a_parameter_that_nobody_can_fill_is_a_mistake_of_the_project(write: Callable[[str], dict[str, Any]]) -> None:
    own = write("def profit(y, scores):\n    return 1.0\n")
    with pytest.raises(ProjectError, match="parameter `scores`") as caught:
        result_of(f"{METRIC} >= 0.5", own)
    assert "`score`" in caught.value.fix
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line) == ("detent.yaml", 12)


def test_better_by_asks_which_side_is_better(write: Callable[[str], dict[str, Any]]) -> None:
    with pytest.raises(ProjectError, match="nobody knows which side of `profit` is better"):
        result_of(f"{METRIC} better by 2%", write("def profit(y, score):\n    return 1.0\n"))


@pytest.mark.parametrize(
    ("body", "decision", "words"),
    [
        ("return True", "pass", "`fair` (own.py:1) says pass"),
        ("return score.mean() > 9", "reject", "says reject"),
        ("return 'inconclusive'", "inconclusive", "says inconclusive"),
        ("return False, 'not fair\\nto x0'", "reject", "not fair to x0"),
        ("return 'pass', 'fair', 0.25", "pass", "fair"),
        ("return 1 / 0", "reject", "`fair` failed at own.py:2: ZeroDivisionError"),
        ("return None", "reject", "returned None; a check returns True, False"),
        ("return 1.0", "reject", "returned 1.0"),
        ("return 'passed'", "reject", "returned 'passed'"),
        ("return ()", "reject", "returned ()"),
        ("return True, 3", "reject", "returned (True, 3)"),
        ("return score", "reject", "a check returns True"),
    ],
)
def test_a_check_of_the_project_decides_and_nonsense_is_a_refusal(
    write: Callable[[str], dict[str, Any]], body: str, decision: str, words: str
) -> None:
    own = write(f"def fair(y, score, champion, rows, task, inputs, seed, confidence):\n    {body}\n")
    result = result_of("check(own.py:fair)", own)
    assert result.decision == decision
    assert words in result.reason
    assert result.threshold is None


def test_a_metric_of_a_regression_needs_no_classes(write: Callable[[str], dict[str, Any]]) -> None:
    own = write("def profit(y, score):\n    return abs(y - score).max()\n")
    verdict = judge([check(f"{METRIC} <= 100")], regression(own=own), binding=BINDING, now=NOW)
    assert verdict.results[0].decision == "pass"
