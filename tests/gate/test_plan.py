"""What a gate can see, said before training, is what it sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detent.cli.gate_plan import check_lines, plan_lines
from detent.gate.judge import judge
from detent.gate.meaning import meaning, takes
from detent.gate.power import Seeable, power_plan
from detent.gate.spend import spend
from detent.loop.judging.gate_check import Checked, Meant
from detent.loop.judging.gate_plan import GateForecast
from detent.project.grammar import parse_check
from detent.records.check import Check
from detent.statistics.intervals import wilson, z_value
from detent.statistics.metrics import METRICS

from .builders import BINDING, NOW, check, evidence


def plan(*texts: str, on: int | None = None, candidates: int = 1, **parts) -> tuple[Seeable, ...]:
    checks, seen = [check(text) for text in texts], evidence(2000, **parts)
    verdict = judge(checks, seen, binding=BINDING, now=NOW)
    return power_plan(checks, verdict, rows=2000, on=on or 2000, candidates=candidates)


def test_a_model_that_is_as_good_as_the_plan_says_passes_in_4_of_5_cases() -> None:
    (told,) = plan("accuracy >= 0.65", on=1000)
    assert told.sees is not None
    truth = 0.65 + told.sees
    draws = np.random.default_rng(3).binomial(1000, truth, 2000)
    confidence = 2 * (1 - spend(0.05, 1)) - 1
    passed = np.mean([wilson(int(hits), 1000, confidence).low >= 0.65 for hits in draws])
    assert 0.76 < passed < 0.84
    assert told.truth == f">= {truth:.4f}"


def test_four_times_the_rows_see_half_the_difference() -> None:
    (few,), (many,) = plan("roc_auc >= 0.65"), plan("roc_auc >= 0.65", on=8000)
    assert few.sees == pytest.approx(2 * many.sees)
    assert few.needed == many.needed


def test_every_further_candidate_needs_more_rows() -> None:
    needed = [plan("roc_auc >= 0.70", candidates=k)[0].needed or 0 for k in (1, 2, 5)]
    assert needed == sorted(needed)
    assert needed[0] < needed[2]


def test_rows_that_the_plan_asks_for_settle_it() -> None:
    value = METRICS["roc_auc"].compute(evidence(2000).y, evidence(2000).score)
    line = f"roc_auc >= {value - 0.02:.4f}"
    (told,) = plan(line)
    assert told.needed is not None
    (again,) = plan(line, on=told.needed)
    assert again.sees is not None
    assert again.sees <= 0.0205


def test_a_margin_below_the_champion_is_planned_for_an_equal_model() -> None:
    (told,) = plan("roc_auc >= champion - 0.01")
    assert told.goal == "for a model that is as good as the champion"
    assert told.needed is not None


def test_a_gain_is_planned_for_as_a_difference_from_none() -> None:
    better, loss = plan("roc_auc better by 2%", "log_loss better by 2%")
    assert better.goal.startswith("to tell a difference of 0.0")
    assert loss.truth.startswith("difference <= -")
    assert loss.goal.startswith("to tell a difference of 0.0")


def test_an_equal_model_can_not_be_asked_to_be_at_least_as_good() -> None:
    (told,) = plan("roc_auc >= champion")
    assert (told.needed, told.goal) == (None, "an equal model passes by chance only: ask for `non_inferior by 1%`")


def test_a_slice_counts_with_its_own_rows() -> None:
    each, whole = plan("each(roc_auc, by=origin) >= 0.65", "roc_auc >= 0.65")
    assert each.rows < 800
    z = [z_value(1 - spend(0.05, 1) / slices) + z_value(0.8) for slices in (3, 1)]
    assert (each.sees or 0) / (whole.sees or 1) == pytest.approx((2000 / each.rows) ** 0.5 * z[0] / z[1], rel=0.1)
    assert (each.needed or 0) > (whole.needed or 0)
    assert each.note.startswith("origin=")


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"champion": None}, "at most: no two models were compared yet"),
        ({"champion": evidence(2000).score}, "at most: the last model hardly differs from the champion"),
    ],
)
def test_a_twin_or_no_champion_is_planned_for_as_strangers(parts, why) -> None:
    _, told = plan("roc_auc >= 0.65", "roc_auc better by 2%", **parts)
    _, honest = plan("roc_auc >= 0.65", "roc_auc better by 2%")
    assert told.note == why
    assert honest.note == ""
    assert (told.sees or 0) > (honest.sees or 0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("latency_p99 <= 20ms", "measured on this machine, not from rows"),
        ("size <= 50MB", "measured on this machine, not from rows"),
        ("roc_auc >= 0.65 by estimate", "the value alone decides: at the limit, chance does"),
        ("leakage <= 0.99", "the value alone decides: at the limit, chance does"),
    ],
)
def test_what_no_number_of_rows_decides_is_said(text: str, why: str) -> None:
    (told,) = plan(text)
    assert (told.sees, told.note) == (None, why)


def test_a_line_that_is_new_and_a_model_on_the_wrong_side_are_said() -> None:
    verdict = judge([check("roc_auc >= 0.99")], evidence(2000), binding=BINDING, now=NOW)
    lines = [check("roc_auc >= 0.99"), check("brier <= 0.2")]
    wrong, new = power_plan(lines, verdict, rows=2000, on=2000, candidates=1)
    assert (wrong.needed, wrong.goal) == (None, "the last model is on the wrong side of the limit")
    assert new.note.startswith("not in the gate section of the last verdict")


def test_the_plan_reads_as_a_table() -> None:
    forecast = GateForecast(
        run="run-0012", rows=2000, planned=2000, candidates=2, confidence=1 - spend(0.05, 3),
        lines=plan("roc_auc >= champion - 0.01", "size <= 50MB", "roc_auc >= champion", candidates=3),
    )  # fmt: skip
    lines = list(plan_lines(forecast))
    assert lines[0] == (
        "holdout   the 2,000 rows of run-0012; 2 candidates were judged on them, so the next one is held to 99.6 %"
    )
    assert "enough" in lines[4] or "more" in lines[4]
    assert lines[5] == "  for a model that is as good as the champion"
    new = replace(forecast, planned=500, candidates=0, confidence=0.975)
    assert next(plan_lines(new)).startswith("holdout   500 new rows that vary as those of run-0012")


BOUND = "the bound decides: {} %, {} % for the first candidate on its rows."
MEANT = {
    "roc_auc >= 0.65": f"roc_auc must be at least 0.65; {BOUND.format(95, 97.5)}",
    "roc_auc >= 0.65 by estimate": "roc_auc must be at least 0.65; the value alone decides, however uncertain.",
    "roc_auc >= champion - 0.005 at 90%": "roc_auc must be at least the champion's less 0.005, on the same rows; "
    + BOUND.format(90, 95),
    "latency_p99 <= 20ms": "latency_p99 must be at most 20 ms.",
    "size <= 50MB": "size must be at most 50 MB.",
}


@pytest.mark.parametrize("text", MEANT)
def test_a_line_is_read_aloud(text: str) -> None:
    assert meaning(check(text)) == MEANT[text]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rmse <= champion * 1.02", "at most 1.02 times the champion's"),
        ("roc_auc better by 2%", "surely be better than the champion's by 2 %"),
        ("roc_auc non_inferior by 1%", "not worse than the champion's by more than 1 %"),
        ("roc_auc >= champion", "at least the champion's, on the same rows"),
        ("each(roc_auc, by=origin) >= champion - 0.03", "for every `origin`, a small one included"),
        ("worst(roc_auc, by=origin) >= 0.6", "too few rows are left out"),
        ("gap(roc_auc, by=origin) <= 0.08", "of the best and of the worst `origin` may differ by at most 0.08"),
        ("parity_ratio(by=sex, cut=0.3) >= 0.8", "The smallest share answered 1 over the largest"),
        ("leakage <= 0.99", "at most 0.99"),
    ],
)
def test_every_form_says_what_it_asks(text: str, words: str) -> None:
    line: Check = parse_check(text, 3)
    assert words in meaning(line)
    assert takes(line)


def test_the_check_command_lists_meaning_cost_and_faults() -> None:
    told = Checked(
        lines=(Meant(check="size <= 50MB", meaning="size must be at most 50 MB.", takes="a look", seconds=0.25),),
        section=("always on: baseline",),
        faults=("detent.yaml:12: no such column",),
    )
    assert list(check_lines(told)) == [
        "size <= 50MB", "  size must be at most 50 MB.", "  takes a look (0.25 s the last time)", "",
        "always on: baseline", "", "wrong: detent.yaml:12: no such column",
    ]  # fmt: skip
