"""From an interval and a rule to a decision."""

from __future__ import annotations

import pytest

from detent.gate.rule import judged, repeats, rows_needed
from detent.statistics.intervals import Interval

from .builders import check

INTERVAL = Interval(value=0.70, low=0.66, high=0.74, sd=0.02)


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        ("roc_auc >= 0.66", "pass"),
        ("roc_auc >= 0.70", "inconclusive"),
        ("roc_auc >= 0.71", "reject"),
        ("roc_auc >= 0.70 by estimate", "pass"),
        ("roc_auc > 0.70 by estimate", "reject"),
        ("roc_auc >= 0.65 at 95%", "pass"),
        ("roc_auc >= 0.66 at 95%", "pass"),
        ("roc_auc > 0.66 at 95%", "inconclusive"),
        ("roc_auc >= 0.71 at 95%", "reject"),
        ("brier <= 0.70", "inconclusive"),
        ("brier <= 0.70 by estimate", "pass"),
        ("brier < 0.70 by estimate", "reject"),
        ("brier <= 0.75 at 95%", "pass"),
        ("brier <= 0.73 at 95%", "inconclusive"),
        ("brier <= 0.69 at 95%", "reject"),
    ],
)
def test_the_estimate_or_the_bound_on_the_bad_side_decides(text: str, decision: str) -> None:
    result = judged(check(text), INTERVAL, rows=500, subject="it is")
    assert result.decision == decision
    assert result.reason.startswith("it is 0.7000")
    assert not result.reason.endswith(".")


def test_the_advised_rows_bring_the_bound_over_the_threshold_with_80_percent_chance() -> None:
    # (1.645 + 0.842)^2 (0.02 / 0.02)^2 * 500 = 3,092, rounded up to two digits
    assert rows_needed(500, INTERVAL, 0.68, 0.95) == 3100
    assert rows_needed(500, Interval(value=0.7, low=0.7, high=0.7), 0.68, 0.95) is None


def test_a_value_on_the_threshold_gets_no_impossible_advice() -> None:
    result = judged(check("roc_auc >= 0.7 at 95%"), INTERVAL, rows=500, subject="it is")
    assert "too close to 0.7 for any number of rows" in result.reason


def test_only_an_inconclusive_result_says_how_many_rows_it_needs() -> None:
    found = [judged(check(text), INTERVAL, rows=500, subject="it is") for text in (
        "roc_auc >= 0.68", "roc_auc >= 0.5", "roc_auc >= 0.9", "roc_auc >= 0.7",
    )]  # fmt: skip
    assert [result.needed for result in found] == [3100, None, None, None]


def test_a_note_is_appended() -> None:
    assert judged(check("roc_auc >= 0.5"), INTERVAL, rows=1, subject="it is", note="so there").reason.endswith(
        "; so there"
    )


def test_fewer_resamples_are_drawn_of_very_many_rows() -> None:
    assert [repeats(rows) for rows in (0, 1000, 12_000, 20_000, 10**7)] == [1000, 1000, 500, 300, 300]
