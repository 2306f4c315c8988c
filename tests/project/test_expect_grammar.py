from __future__ import annotations

from typing import Any

import pytest

from detent.project.expect import parse_expectation
from detent.project.expect_forms import FORMS
from detent.project.lines import GrammarError
from detent.records.expectation import Expectation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("null_rate(delay) <= 5%", {"name": "null_rate", "columns": ("delay",), "op": "<=", "threshold": 0.05}),
        ("range(x) in 0..5000", {"name": "range", "columns": ("x",), "op": "in", "low": 0.0, "high": 5e3}),
        ("range(x) in ..-1.5", {"name": "range", "columns": ("x",), "op": "in", "high": -1.5}),
        ("range(x) in 2..", {"name": "range", "columns": ("x",), "op": "in", "low": 2.0}),
        (
            "range(at) in 2013-01-01..2014-01-01T06:00Z",
            {"name": "range", "columns": ("at",), "op": "in", "low": "2013-01-01", "high": "2014-01-01T06:00Z"},
        ),
        (
            "values(origin) in [EWR, 'J K', 3, 2.5, true]",
            {"name": "values", "columns": ("origin",), "op": "in", "values": ("EWR", "J K", 3, 2.5, True)},
        ),
        (
            "values(x) not in [1] for 99.5% -> warn",
            {"name": "values", "columns": ("x",), "op": "not in", "values": (1,), "share": 0.995, "severity": "warn"},
        ),
        ("unique(a, b, day)", {"name": "unique", "columns": ("a", "b", "day")}),
        ("unique(in, last)", {"name": "unique", "columns": ("in", "last")}),
        ("psi(x) <= 0.2 vs last", {"name": "psi", "columns": ("x",), "op": "<=", "threshold": 0.2, "last": True}),
        (
            "mean(t) within 10% vs last",
            {"name": "mean", "columns": ("t",), "op": "within", "threshold": 0.1, "last": True},
        ),
        ("rows >= 0.5 * last", {"name": "rows", "op": ">=", "threshold": 0.5, "last": True}),
        ("rows > last", {"name": "rows", "op": ">", "threshold": 1.0, "last": True}),
        ("rows in 1000..1000000", {"name": "rows", "op": "in", "low": 1e3, "high": 1e6}),
        ("freshness(at) <= 2d", {"name": "freshness", "columns": ("at",), "op": "<=", "threshold": 172_800.0}),
        (
            "exists(dest in airports.faa)",
            {"name": "exists", "columns": ("dest",), "other": "airports.faa"},
        ),
        ('check("a > b")', {"name": "check", "argument": "a > b"}),
        ("check('\"Arr Delay\" > 0')", {"name": "check", "argument": '"Arr Delay" > 0'}),
        ('match("odd name", "^N[0-9]$")', {"name": "match", "columns": ("odd name",), "argument": "^N[0-9]$"}),
        (
            "quantile(x, 0.95) <= 5",
            {"name": "quantile", "columns": ("x",), "op": "<=", "threshold": 5.0, "argument": "0.95"},
        ),
    ],
)
def test_a_line_says_what_it_reads_like(text: str, expected: dict[str, Any]) -> None:
    assert parse_expectation(text, 4) == Expectation(text=text, line=4, **expected)


def test_the_example_of_every_word_is_a_line() -> None:
    for name, form in FORMS.items():
        assert parse_expectation(form.example, 1).name == name


@pytest.mark.parametrize(
    ("text", "offset", "words"),
    [
        ("nul_rate(x) <= 5%", 0, "did you mean `null_rate`"),
        ("rows", 0, "written like `rows in"),
        ("rows >=", 7, "ends too early; expected a number"),
        ("rows => 5", 5, "expected"),
        ("rows <= 5 vs last", 5, "0.9 * last"),
        ("psi(x) <= 0.2", 0, "compares with the last snapshot"),
        ("mean(x) <= 5%", 12, "no unit"),
        ("null_rate(x) <= 5d", 17, "no unit but %"),
        ("freshness(x) <= 2", 16, "needs a unit"),
        ("range(x) in 5..1", 12, "smaller end first"),
        ("range(x) in 5..2013-01-01", 12, "a number and the other a date"),
        ("mean(x) in 2013-01-01..", 11, "not a date"),
        ("values(x) <= 5", 10, "written like `values(origin) in"),
        ('match(x, "(")', 10, "no regular expression"),
        ("exists(dest)", 7, "write like"),
        ("quantile(x, 95) <= 5", 12, "from 0 to 1"),
        ("mean(x) <= 5 for 99%", 17, "judges the whole table"),
        ("unique(x) for 0%", 14, "no share"),
        ("rows >= 5 -> wran", 13, "did you mean `warn`"),
        ("unique(x) <= 5", 10, "written like `unique"),
        ("", 0, "ends too early"),
    ],
)
def test_a_mistake_names_its_place_and_the_right_word(text: str, offset: int, words: str) -> None:
    with pytest.raises(GrammarError) as caught:
        parse_expectation(text, 1)
    assert caught.value.offset == offset
    assert words in str(caught.value)
