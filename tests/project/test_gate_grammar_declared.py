"""The lines that ask for evidence of their own."""

from __future__ import annotations

from typing import Any

import pytest

from detent.project.grammar import parse_check
from detent.project.lines import GrammarError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metric(m.py:profit) >= 1000", {"kind": "threshold", "metric": "profit", "code": "m.py:profit"}),
        ("metric(code/m.py:profit) better by 2%", {"kind": "versus", "code": "code/m.py:profit", "relative": True}),
        ("gap(metric(m.py:profit), by=origin) <= 3", {"kind": "gap", "by": "origin", "code": "m.py:profit"}),
        ("each(metric(m.py:profit), by=origin) >= champion", {"kind": "each", "code": "m.py:profit"}),
        ("check(m.py:fair)", {"kind": "custom", "metric": "fair", "code": "m.py:fair", "confidence": 0.95}),
        ("check(m.py:fair) at 99%", {"kind": "custom", "confidence": 0.99}),
        (
            "robustness(roc_auc, missing=humid) <= 0.05",
            {"kind": "robustness", "metric": "roc_auc", "arguments": (("missing", "humid"),), "confidence": 0.95},
        ),
        ("robustness(metric(m.py:f), stale=any) <= 3 at 90%", {"code": "m.py:f", "arguments": (("stale", "any"),)}),
        (
            "monotone(miles, down) <= 1%",
            {"kind": "monotone", "threshold": 0.01, "arguments": (("column", "miles"), ("way", "down"))},
        ),
        ("invariant(sex) <= 1%", {"kind": "invariant", "arguments": (("column", "sex"),)}),
        (
            "invariant(sex, values=[F, 'not said', 3], within=0.01) <= 1% by estimate",
            {
                "arguments": (
                    ("column", "sex"),
                    ("value", "F"),
                    ("value", "not said"),
                    ("value", "3"),
                    ("within", "0.01"),
                ),
                "confidence": None,
            },
        ),
        ("overlap(near) <= 1%", {"kind": "touch", "metric": "near", "confidence": None}),
        ("overlap(by=customer) <= 20%", {"kind": "touch", "metric": "entities", "by": "customer", "threshold": 0.2}),
        ("permuted(roc_auc) <= 0.55", {"kind": "permuted", "metric": "roc_auc", "confidence": 0.95}),
        (
            "latency_p99 <= champion * 1.2",
            {
                "kind": "latency",
                "against": "champion",
                "threshold": pytest.approx(0.2),
                "slack": True,
                "confidence": 0.95,
            },
        ),
        ("latency_p99 <= champion at 99%", {"threshold": 0.0, "slack": False, "confidence": 0.99}),
        ("memory <= champion * 2 by estimate", {"kind": "memory", "slack": False, "confidence": None}),
        ("memory <= 500MB", {"kind": "memory", "threshold": 5e8, "confidence": None, "against": ""}),
        ("cost <= 0.10", {"kind": "cost", "threshold": 0.1, "confidence": None}),
    ],
)
def test_a_line_means_what_it_reads_like(text: str, expected: dict[str, Any]) -> None:
    check = parse_check(text, 1)
    assert {name: getattr(check, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "offset", "words"),
    [
        ("metric(m.profit) >= 3", 7, "expected file.py:name"),
        ("check(fair)", 6, "expected file.py:name"),
        ("check(m.py:fair) >= 3", 17, "expected at or by"),
        ("robustness(roc_auc, mising=humid) <= 0.05", 20, "did you mean `missing`"),
        ("robustness(roc_auc, missing=humid) >= 0.05", 35, "asks for more of it"),
        ("robustness(size, missing=humid) <= 0.05", 11, "a fixed limit only"),
        ("monotone(miles, upp) <= 1%", 16, "did you mean `up`"),
        ("monotone(miles, up) <= 3", 23, "no share of the rows"),
        ("invariant(sex, values=[F]) <= 1%", 24, "expected ,"),
        ("overlap(nearly) <= 1%", 8, "did you mean `near`"),
        ("overlap(near) <= 1% at 95%", 23, "no confidence"),
        ("overlap <= 1%", 0, "always on"),
        ("permuted(latency_p99) <= 1", 9, "a fixed limit only"),
        ("latency_p99 >= champion", 12, "asks for more of it"),
        ("latency_p99 <= champion + 1", 12, "takes a share of the champion's"),
        ("size <= champion * 2 at 95%", 24, "has no confidence"),
        ("memory <= 500ms", 13, "the unit `ms` does not fit"),
        ("cost <= 5MB", 9, "no unit but %"),
    ],
)
def test_a_mistake_names_its_place(text: str, offset: int, words: str) -> None:
    with pytest.raises(GrammarError) as caught:
        parse_check(text, 1)
    assert words in str(caught.value)
    assert caught.value.offset == offset
