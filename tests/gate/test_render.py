"""What people and machines see."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import msgspec
import pytest
from rich.console import Console

from detent.gate.judge import judge
from detent.gate.render import conclusion, table, to_json
from detent.records.check import Verdict

from .builders import BINDING, NOW, check, evidence

POLICY = [check("roc_auc >= 0.65"), check("roc_auc >= champion - 0.005 at 95%"), check("latency_p99 <= 20ms")]


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    return judge(POLICY, evidence(), binding=BINDING, now=NOW)


def _shown(verdict: Verdict, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(table(verdict))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_every_check_is_shown_with_its_numbers_and_its_reason(verdict: Verdict) -> None:
    shown = _shown(verdict, 100)
    words = " ".join(shown.split())
    for result in verdict.results:
        assert result.check in words
        assert result.reason in words
    assert conclusion(verdict) in words


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(verdict: Verdict, width: int) -> None:
    assert max(len(line.rstrip()) for line in _shown(verdict, width).splitlines()) <= width


def test_a_hundred_columns_keep_the_numbers_of_a_check_on_one_line(verdict: Verdict) -> None:
    lines = _shown(verdict, 100).splitlines()
    line = next(line for line in lines if "roc_auc >= champion - 0.005 at 95%" in line)
    assert line.split()[-2:] == ["-0.005", "1,000"]


def test_square_brackets_are_text_not_markup(verdict: Verdict) -> None:
    reason = "see [bold]row 3[/bold]"
    results = (replace(verdict.results[0], reason=reason), *verdict.results[1:])
    assert reason in _shown(replace(verdict, results=results), 100)


def test_json_holds_everything_and_comes_back_equal(verdict: Verdict) -> None:
    text = to_json(verdict)
    assert msgspec.json.decode(text, type=Verdict) == verdict
    assert json.loads(text)["decision"] == verdict.decision
