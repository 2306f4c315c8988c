"""From checks to a verdict."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from itertools import count

import numpy as np
import polars as pl
import pytest

from detent import plugins
from detent.errors import DetentError, ProjectError
from detent.gate.evidence import Evidence
from detent.gate.judge import ALWAYS_ON, GROWTH, judge
from detent.gate.protocol import CheckPlugin
from detent.records.check import Check, CheckResult, Verdict

from .builders import BINDING, NOW, check, evidence

POLICY = [
    check("roc_auc >= 0.65"),
    check("roc_auc >= champion - 0.05 at 95%"),
    check("gap(roc_auc, by=origin) <= 0.2"),
    check("latency_p99 <= 20ms"),
    check("size <= 50MB"),
]


def _judge(found: Evidence, checks: list[Check] = POLICY) -> Verdict:
    return judge(checks, found, binding=BINDING, now=NOW)


def test_an_honest_model_passes_every_declared_and_every_always_on_check() -> None:
    verdict = _judge(evidence())
    assert verdict.decision == "pass"
    assert [result.check for result in verdict.results[-4:]] == [
        "baseline (always on)",
        "leakage (always on)",
        "overlap (always on)",
        "provenance (always on)",
    ]
    assert verdict.reason == "all 9 checks passed"
    assert verdict.judged_at == "2013-04-01T12:00:00.000000+00:00"
    assert (verdict.model_digest, verdict.data_digest) == (BINDING.model_digest, BINDING.data_digest)
    assert (verdict.policy_digest, verdict.champion_digest) == (BINDING.policy_digest, BINDING.champion_digest)


def test_a_gate_without_declared_checks_still_has_its_own() -> None:
    assert len(_judge(evidence(), []).results) == 4
    assert _judge(evidence(score=np.full(1000, 0.2)), []).decision == "reject"


def test_a_declared_limit_of_leakage_stands_in_place_of_the_one_that_is_always_on() -> None:
    verdict = _judge(evidence(), [*POLICY, check("leakage <= 0.999")])
    assert [result.check for result in verdict.results if result.kind == "leakage"] == ["leakage <= 0.999"]
    assert {"baseline", "overlap"} <= {result.kind for result in verdict.results}


def test_a_declared_limit_of_leakage_is_still_the_deepest_fault() -> None:
    verdict = _judge(evidence(), [check("roc_auc >= 0.99"), check("leakage <= 0.5")])
    assert verdict.decision == "reject"
    assert "(check `leakage <= 0.5`" in verdict.reason


def test_one_rejection_rejects_and_the_reason_is_the_deepest_fault() -> None:
    verdict = _judge(evidence(score=np.full(1000, 0.2)))
    assert verdict.decision == "reject"
    assert verdict.reason.startswith("the model answers 0.2000 to every row")
    assert re.search(r"\(check `baseline \(always on\)` and \d more of 9\)", verdict.reason)


def test_an_inconclusive_check_makes_the_verdict_inconclusive_and_never_a_pass() -> None:
    verdict = _judge(evidence(bundle_bytes=None))
    assert verdict.decision == "inconclusive"
    assert "size" in verdict.reason
    assert _judge(evidence(bundle_bytes=None, score=np.full(1000, 0.2))).decision == "reject"


@pytest.mark.parametrize("n", [0, 1, 50])
def test_too_few_rows_never_pass_and_say_so(n: int) -> None:
    verdict = _judge(evidence(n))
    assert verdict.decision == "inconclusive"
    assert "evaluation row" in verdict.reason


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_labels_of_one_class_never_pass_and_say_so(label: float) -> None:
    verdict = _judge(evidence(y=np.full(1000, label)))
    assert verdict.decision == "inconclusive"
    assert f"all 1,000 labels are {label:g}" in verdict.reason


def test_scores_that_are_no_numbers_reject_and_the_other_checks_have_no_answer() -> None:
    score = evidence().score.copy()
    score[3] = np.nan
    verdict = _judge(evidence(score=score))
    assert verdict.decision == "reject"
    assert "the first is nan in evaluation row 3" in verdict.reason
    assert verdict.results[0].decision == "inconclusive"


def test_a_champion_without_scores_is_inconclusive() -> None:
    assert _judge(evidence(champion=np.full(1000, np.nan))).decision == "inconclusive"


def test_the_same_evidence_has_the_same_verdict_id() -> None:
    assert _judge(evidence()).id == _judge(evidence()).id
    assert len(_judge(evidence()).id) == 64


def test_the_id_forgets_time_and_machine_and_nothing_else() -> None:
    first = _judge(evidence())
    ticks = count()
    later = judge(
        POLICY,
        evidence(latency_seconds=np.full(100, 0.011)),
        binding=BINDING,
        now=NOW + timedelta(days=1),
        timer=lambda: float(next(ticks)),
    )
    assert later.id == first.id
    assert later.judged_at != first.judged_at
    assert all(result.seconds == 1.0 for result in later.results)
    slow = _judge(evidence(latency_seconds=np.full(100, 0.5)))
    others = [
        slow,
        _judge(evidence(seed=1)),
        _judge(evidence(bundle_bytes=7)),
        judge(POLICY, evidence(), binding=replace(BINDING, policy_digest="e" * 64), now=NOW),
        judge(POLICY, evidence(), binding=replace(BINDING, champion_digest=None), now=NOW),
        _judge(evidence(), POLICY[1:]),
    ]
    assert len({first.id, *(other.id for other in others)}) == 7


def test_two_slow_models_have_the_same_id_though_the_reason_tells_their_times() -> None:
    one, two = (_judge(evidence(latency_seconds=np.full(100, seconds))) for seconds in (0.5, 0.6))
    assert one.reason != two.reason
    assert one.id == two.id


def test_each_further_candidate_on_the_same_rows_is_held_to_more() -> None:
    verdicts = [_judge(evidence(candidates=k), [check("roc_auc >= 0.65")]) for k in (1, 2, 5)]
    alphas = [verdict.results[0].alpha for verdict in verdicts]
    assert alphas == pytest.approx([0.05 / 2, 0.05 / 6, 0.05 / 30])
    lows = [verdict.results[0].low or 0.0 for verdict in verdicts]
    assert lows[0] > lows[1] > lows[2]
    assert [verdict.candidates for verdict in verdicts] == [1, 2, 5]
    assert len({verdict.id for verdict in verdicts}) == 3
    assert "lower 99.8 % bound" in verdicts[2].results[0].reason


def test_what_is_measured_on_a_machine_wears_no_holdout_out() -> None:
    first, tenth = (_judge(evidence(candidates=k), [check("latency_p99 <= 20ms at 95%")]).results[0] for k in (1, 10))
    assert (first.high, first.alpha) == (tenth.high, None)


def test_a_worn_holdout_is_told() -> None:
    assert "new rows" not in _judge(evidence(candidates=20)).reason
    assert "25 candidates were judged on these rows" in _judge(evidence(candidates=25)).reason


def test_a_pass_without_a_champion_is_a_rubber_stamp_and_says_so() -> None:
    verdict = _judge(evidence(champion=None))
    assert verdict.decision == "pass"
    assert verdict.reason == "all 9 checks passed; rubber stamp: no champion"
    assert [result.stamp for result in verdict.results if result.stamp] == ["no champion"]
    assert "stamp" not in _judge(evidence()).reason


class Crash:
    """A third party's check that can't run."""

    summary = "crashes"

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        raise KeyError("missing thing")


class Vague:
    """A third party's check that breaks the contract."""

    summary = "answers perhaps"

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        return CheckResult(
            check=check.text, kind=check.kind, decision="perhaps", value=None, low=None, high=None, threshold=None,
            rows=0, reason="", measured=False,
        )  # fmt: skip


class Endless:
    """A third party's check with a value that JSON does not know."""

    summary = "measures infinity"

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        return CheckResult(
            check=check.text, kind=check.kind, decision="pass", value=float("inf"), low=float("nan"), high=None,
            threshold=0.0, rows=0, reason="fine", measured=False,
        )  # fmt: skip


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, plugin in (("crash", Crash), ("vague", Vague), ("endless", Endless)):
        monkeypatch.setitem(plugins.TABLE["check"], kind, f"{__name__}:{plugin.__name__}")


@pytest.mark.usefixtures("foreign")
def test_a_check_that_could_not_run_is_a_failure() -> None:
    verdict = _judge(evidence(), [replace(POLICY[0], kind="crash")])
    assert verdict.decision == "reject"
    assert "could not run" in verdict.reason
    assert "KeyError: 'missing thing'" in verdict.reason


@pytest.mark.usefixtures("foreign")
def test_an_answer_that_is_no_decision_is_a_failure() -> None:
    verdict = _judge(evidence(), [replace(POLICY[0], kind="vague")])
    assert verdict.decision == "reject"
    assert "`perhaps` is no decision" in verdict.reason


@pytest.mark.usefixtures("foreign")
def test_values_that_json_does_not_know_become_none() -> None:
    result = _judge(evidence(), [replace(POLICY[0], kind="endless")]).results[0]
    assert (result.value, result.low, result.threshold) == (None, None, 0.0)


def test_a_mistake_of_the_project_is_raised_not_judged() -> None:
    with pytest.raises(ProjectError, match="no column `orgin`"):
        _judge(evidence(), [check("gap(roc_auc, by=orgin) <= 0.1")])
    with pytest.raises(DetentError, match="no check named"):
        _judge(evidence(), [replace(POLICY[0], kind="treshold")])


@pytest.mark.parametrize("kind", plugins.names("check"))
def test_every_kind_of_check_keeps_the_protocol_and_never_passes_empty_evidence(kind: str) -> None:
    plugin = plugins.load("check", kind)()
    assert isinstance(plugin, CheckPlugin)
    assert plugin.summary.endswith(".")
    if kind in ("latency", "size"):
        return
    text = {
        "versus": POLICY[1], "gap": POLICY[2], "threshold": POLICY[0], "each": check("each(roc_auc, by=origin) >= 0.5"),
        "worst": check("worst(roc_auc, by=origin) >= 0.5"), "fairness": check("parity(by=origin) <= 0.5"),
        "robustness": check("robustness(roc_auc, missing=x0) <= 0.5"), "monotone": check("monotone(x0, up) <= 1%"),
        "invariant": check("invariant(origin) <= 1%"), "touch": check("overlap(near) <= 1%"),
        "permuted": check("permuted(roc_auc) <= 0.6"), "memory": check("memory <= 1GB"), "cost": check("cost <= 1"),
        "custom": check("check(own.py:yes)"),
    }  # fmt: skip
    always = {line.kind: line for line in (*ALWAYS_ON, GROWTH)}
    line = text.get(kind) or always[kind]
    assert _judge(evidence(0, own={"own.py:yes": lambda: True}), [line]).results[0].decision == "inconclusive"


def test_evidence_is_left_as_it_was() -> None:
    found = evidence()
    before = (found.y.copy(), found.score.copy(), found.columns.clone())
    _judge(found)
    assert np.array_equal(before[0], found.y)
    assert np.array_equal(before[1], found.score)
    assert before[2].equals(found.columns)
    assert isinstance(found.keys, pl.Series)


def test_the_id_counts_the_decision_of_a_measured_check_even_when_the_verdict_stays() -> None:
    broken = np.full(1000, 0.2)
    fast = _judge(evidence(score=broken))
    slow = _judge(evidence(score=broken, latency_seconds=np.full(100, 0.5)))
    assert fast.decision == slow.decision == "reject"
    assert fast.id != slow.id
