"""What the lines of a gate section mean."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from detent.errors import ProjectError
from detent.project import load
from detent.project.gate import policy_digest
from detent.project.grammar import parse_check
from detent.project.lines import GrammarError
from detent.records.project import GatePlan, Project
from detent.store.canonical import digest_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("roc_auc >= 0.65", {"kind": "threshold", "confidence": 0.95, "threshold": 0.65}),
        ("roc_auc >= 0.65 at 99%", {"confidence": 0.99}),
        ("roc_auc >= 0.65 by estimate", {"confidence": None}),
        ("roc_auc >= champion", {"kind": "versus", "threshold": 0.0, "relative": False, "against": "champion"}),
        ("roc_auc >= champion - 0.005", {"kind": "versus", "confidence": 0.95, "threshold": -0.005}),
        ("rmse <= champion * 1.02", {"op": "<=", "threshold": pytest.approx(0.02), "relative": True, "slack": False}),
        (
            "roc_auc better by 2%",
            {"kind": "versus", "op": "better", "threshold": 0.02, "relative": True, "slack": False},
        ),
        ("roc_auc non_inferior by 1%", {"op": "better", "threshold": 0.01, "relative": True, "slack": True}),
        ("roc_auc better by 2% at 90%", {"confidence": 0.9}),
        ("roc_auc better by 2% by estimate", {"confidence": None, "op": "better"}),
        ("gap(roc_auc, by=origin) <= 0.08", {"kind": "gap", "by": "origin", "confidence": 0.95}),
        ("worst(roc_auc, by=origin) >= 0.60", {"kind": "worst", "by": "origin", "threshold": 0.6, "against": ""}),
        ("each(roc_auc, by=origin) >= 0.60", {"kind": "each", "threshold": 0.6, "against": ""}),
        ("each(roc_auc, by=origin) >= champion - 0.03", {"kind": "each", "threshold": -0.03, "against": "champion"}),
        ("each(rmse, by=o) <= champion * 1.1", {"relative": True, "threshold": pytest.approx(0.1)}),
        ("parity(by=sex) <= 0.1", {"kind": "fairness", "metric": "parity", "by": "sex", "arguments": ()}),
        ("odds (by=sex) <= 10%", {"metric": "odds", "threshold": pytest.approx(0.1)}),
        ("parity_ratio(by=sex, cut=0.3) >= 0.8", {"metric": "parity_ratio", "arguments": (("cut", "0.3"),)}),
        ("parity >= 0.1", {"kind": "threshold", "metric": "parity"}),
        ("latency_p99 <= 20ms", {"kind": "latency", "confidence": None}),
        ("latency_p99 <= 20ms at 95%", {"kind": "latency", "confidence": 0.95}),
        ("size <= 50MB", {"kind": "size", "confidence": None}),
        ("leakage <= 0.999", {"kind": "leakage", "confidence": None}),
        ("eachness >= 0.5", {"kind": "threshold", "metric": "eachness"}),
    ],
)
def test_a_line_means_what_it_reads_like(text: str, expected: dict[str, Any]) -> None:
    check = parse_check(text, 3)
    assert {name: getattr(check, name) for name in expected} == expected
    assert (check.text, check.line) == (text, 3)


@pytest.mark.parametrize(
    ("text", "offset", "words"),
    [
        ("roc_auc better 2%", 15, "expected by"),
        ("roc_auc better by 200%", 18, "no share of the champion's value"),
        ("roc_auc better by -1%", 18, "no share"),
        ("roc_auc >= champion * 0", 22, "no factor"),
        ("roc_auc >= champion * 2ms", 23, "the factor takes no unit but %"),
        ("roc_auc >= 0.6 by estimat", 18, "expected estimate"),
        ("each(size, by=origin) <= 5", 5, "a fixed limit only"),
        ("worst(roc_auc, origin) >= 5", 15, "expected by"),
        ("worst(roc_auc, by=origin) >= champion", 29, "a number"),
        ("gap(roc_auc, by=origin) >= 0.1", 24, "lets every"),
        ("parity(by=sex) >= 0.1", 15, "write `parity(by=...) <= 0.1`"),
        ("parity_ratio(by=sex) <= 0.8", 21, "write `parity_ratio(by=...) >= 0.8`"),
        ("parity(sex) <= 0.1", 7, "expected by"),
        ("parity(by=sex, cut=5ms) <= 0.1", 20, "a cut takes no unit"),
        ("latency_p99 better by 2%", 0, "a fixed limit only"),
    ],
)
def test_a_mistake_names_its_place(text: str, offset: int, words: str) -> None:
    with pytest.raises(GrammarError) as caught:
        parse_check(text, 1)
    assert caught.value.offset == offset
    assert words in str(caught.value)


HEAD = """\
project: delay-risk
pipeline: pipeline.py:retrain
data: {flights: {source: data/flights.parquet, time: predict_at, key: flight_id}}
target: {data: flights, column: late}
features: {function: features.py:features, rows: flights}
"""
SECTION = """\
gate:
  checks: [roc_auc >= 0.65, "gap(roc_auc, by=origin) <= 0.08 at 90%"]
  alpha: 1%
  cluster: tailnum
  expect: {origin: [EWR, JFK], month: [1, 2]}
  min_slice: 300
"""


def _load(folder: Path, section: str) -> Project:
    (folder / "detent.yaml").write_text(HEAD + section)
    return load(folder)


def test_the_section_may_say_what_holds_for_all_lines(tmp_path: Path) -> None:
    project = _load(tmp_path, SECTION)
    assert [check.confidence for check in project.gate] == [0.99, 0.9]
    assert project.gate_plan == GatePlan(
        alpha=0.01, cluster="tailnum", expect=(("origin", ("EWR", "JFK")), ("month", ("1", "2"))), min_slice=300
    )


def test_a_list_has_the_defaults(tmp_path: Path) -> None:
    project = _load(tmp_path, "gate: [roc_auc >= 0.65]\n")
    assert project.gate_plan == GatePlan()
    short = SECTION[: SECTION.index("  alpha")]
    assert _load(tmp_path, short).gate_plan == GatePlan()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("alpha: 1%", "alpha: 60%", "no chance of a wrong pass"),
        ("min_slice: 300", "min_slice: 3", "out of range"),
        ("checks: [", "cheks: [", "did you mean `checks`"),
        ("[EWR, JFK]", "[]", "no level is named"),
        ("[EWR, JFK]", "EWR", "a list is needed"),
        ("[roc_auc >= 0.65, ", "[roc_auc => 0.65, ", "a comparison"),
    ],
)
def test_a_mistake_in_the_section_is_explained(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(ProjectError) as caught:
        _load(tmp_path, SECTION.replace(old, new))
    assert words in str(caught.value)


def test_the_policy_digest_covers_all_of_the_section_and_the_meaning_of_its_language() -> None:
    checks = (parse_check("roc_auc >= 0.65", 1),)
    others = [GatePlan(alpha=0.01), GatePlan(cluster="a"), GatePlan(expect=(("a", ("b",)),)), GatePlan(min_slice=50)]
    plans = [GatePlan(), *others]
    assert len({policy_digest(checks, plan, Path()) for plan in plans}) == 5
    # Of language 1, in which a line without `at NN%` was decided by the estimate: such a verdict stands no more.
    assert policy_digest(checks, GatePlan(), Path()) != digest_of([check.text for check in checks])


def test_the_target_may_say_what_rows_belong_together(tmp_path: Path) -> None:
    plain = _load(tmp_path, "gate: [roc_auc >= 0.65]\n").target
    assert (plain.group, plain.series, plain.season) == (None, None, None)
    (tmp_path / "detent.yaml").write_text(
        HEAD.replace("column: late}", "column: late, group: search, series: shop, season: 7d}") + "gate: [mrr >= 0.2]\n"
    )
    told = load(tmp_path)
    assert (told.target.group, told.target.series, told.target.season) == ("search", "shop", timedelta(days=7))
    assert told.gate[0].metric == "mrr"
