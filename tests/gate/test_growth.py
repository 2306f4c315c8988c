"""A program may not grow with every call; nothing else is asked about it."""

from __future__ import annotations

import pytest

from detent.bundle.codec import verdict_from_json, verdict_to_json
from detent.gate.advice import steps, unwaivable
from detent.gate.declared import Growth
from detent.gate.judge import judge
from detent.records.check import CheckResult, Verdict

from .builders import BINDING, NOW, check, evidence

LEAK = 65_536.0


def given(growth: Growth | None) -> Verdict:
    return judge([check("size <= 50MB")], evidence(growth=growth), binding=BINDING, now=NOW)


def found(growth: Growth) -> CheckResult:
    return next(result for result in given(growth).results if result.kind == "growth")


def test_a_model_that_is_no_program_is_not_asked() -> None:
    assert [result.kind for result in given(None).results if result.kind == "growth"] == []


@pytest.mark.parametrize(
    ("growth", "decision", "words"),
    [
        (Growth(calls=2048, ours=(0.0,)), "pass", "does not grow with every call, measured over 2,048 calls"),
        (Growth(calls=2048, ours=(LEAK, LEAK)), "reject", "keeps 65.5 kB of every call, measured over 2,048 calls"),
        (Growth(calls=2048, ours=(LEAK, LEAK), theirs=(0.0,)), "reject", "whatever memory it is given"),
        (Growth(calls=2048, ours=(LEAK, 0.0), theirs=(0.0,)), "pass", "does not grow"),
        (Growth(calls=2048, ours=(LEAK, LEAK), theirs=(60_000.0,)), "pass", "as the champion's does (60 kB)"),
        (Growth(calls=2048, ours=(LEAK, LEAK), theirs=(20_000.0,)), "reject", "the champion's 20 kB"),
        (Growth(untold="it died"), "inconclusive", "is not known: it died"),
    ],
)
def test_it_is_refused_when_every_process_keeps_more_than_the_champions(
    growth: Growth, decision: str, words: str
) -> None:
    result = found(growth)
    assert (result.decision, result.measured) == (decision, True)
    assert words in result.reason
    assert given(growth).decision == decision


def test_what_was_measured_here_is_no_part_of_the_verdicts_identity() -> None:
    one, two = (given(Growth(calls=2048, ours=(kept, kept), theirs=(1.0,))) for kept in (LEAK, LEAK + 40))
    assert one.id == two.id
    assert verdict_from_json(verdict_to_json(one)) == one


def test_somebody_may_answer_for_it_and_is_told_where_to_look() -> None:
    verdict = given(Growth(calls=2048, ours=(LEAK, LEAK)))
    assert unwaivable(found(Growth(calls=2048, ours=(LEAK, LEAK)))) == ""
    told = [step.text for step in steps(verdict, "run-0002")]
    assert "keeps of each call" in told[0]
