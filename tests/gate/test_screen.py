"""A refusal on one screen, and the same record as Markdown, as a page and as JSON."""

from __future__ import annotations

import html
import json
import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest

from detent.gate.explanation import Explanation, Seen, explanation
from detent.gate.page import page
from detent.gate.render import to_json
from detent.gate.render_markdown import markdown
from detent.gate.render_screen import screen
from detent.records.check import Verdict
from phone import WIDTH, needs_chromium, widths

from .builders import evidence
from .refused import HOSTILE, explained, refused


@pytest.fixture(scope="module")
def busy() -> Explanation:
    return explained(refused())


@pytest.fixture(scope="module")
def floor() -> Explanation:
    return explained(refused("roc_auc >= 0.9", "size <= 50MB", noise=0.2), seen=Seen())


def test_a_refusal_says_value_bound_limit_rows_and_what_to_do(floor: Explanation) -> None:
    lines = screen(floor)
    words = " ".join(" ".join(lines).split())
    assert lines[0] == "flights, run-0012: rejected"
    row = next(line for line in lines if "roc_auc >= 0.9" in line and "reject" in line)
    value, low, _, high, asked, rows = row.split()[-6:]
    assert float(low) < float(value) < float(high)
    assert (asked, rows) == ("0.9", "2,000")
    assert "but at least 0.9 is asked" in words
    assert "detent gate rerun run-0012" in words


def test_a_screen_has_at_most_45_lines_and_no_line_is_wider_than_the_terminal(busy: Explanation) -> None:
    for width in (60, 80, 100, 200):
        lines = screen(busy, width=width)
        tables = [line for line in lines if not line.strip().startswith("detent ")]
        assert max(map(len, tables)) <= min(width, 100), width
    assert len(screen(busy, width=100)) <= 45


def test_checks_that_pass_take_the_room_that_is_left(busy: Explanation, floor: Explanation) -> None:
    assert any("more passed" in line or "more that passed" in line for line in screen(busy))
    assert not any("more" in line and "passed" in line for line in screen(floor))


def test_what_holds_or_does_not_shows_no_limit(floor: Explanation) -> None:
    for text in ("\n".join(screen(floor)), markdown(floor)):
        line = next(line for line in text.splitlines() if "provenance (always on)" in line)
        assert "-" in line.replace("|", " ").split()
        assert " 0 " not in line


def test_the_decisive_check_comes_first_and_the_worst_slice_stands_there_once(busy: Explanation) -> None:
    assert busy.decisive is busy.results[0]
    decisions = [result.decision for result in busy.results]
    assert decisions[1:] == sorted(decisions[1:], key=["reject", "inconclusive", "pass"].index)
    names = [(part.found.column, part.found.value) for part in busy.parts]
    assert len(set(names)) == len(names) <= 5
    assert busy.parts[0].found.decision == "reject"


def test_a_gap_that_fails_shows_both_ends() -> None:
    told = explained(refused("gap(roc_auc, by=origin) <= 0.0001"))
    values = [part.found.metric for part in told.parts]
    assert len(values) == 3
    assert values == sorted(values)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("policy", "parts", "words"),
    [
        (("roc_auc >= champion - 0.01",), {}, "evaluation period"),
        (("roc_auc better by 2%",), {"score": evidence(2000).champion}, "`roc_auc non_inferior by 1%`"),
        (("size <= 1MB",), {}, "smaller"),
        (("latency_p99 <= 1us",), {}, "quiet machine"),
        (("size <= 50MB",), {"score": np.full(2000, np.nan)}, "can't be waived: scores that are broken"),
        (("size <= 50MB",), {"provenance": ("it lies",)}, "can't be waived: what the model says"),
    ],
)
def test_the_way_forward_fits_the_cause(policy, parts, words) -> None:
    honest = {"score": evidence(2000).score, "champion": evidence(2000).champion}
    told = explained(refused(*policy, **(honest | parts)))
    assert words in " ".join(step.text for step in told.steps), told.steps
    offers = any(step.command.startswith("detent gate waive") for step in told.steps)
    assert offers == ("can't be waived" not in words)


def test_a_command_can_be_pasted_into_a_shell() -> None:
    honest = evidence(2000)
    told = explained(refused("roc_auc >= 0.99", score=honest.score, champion=honest.champion))
    command = next(step.command for step in told.steps if "waive" in step.command)
    said = subprocess.run(["sh", "-c", command.replace("detent", "printf '%s\\n'", 1)], capture_output=True, text=True)
    assert said.stdout.splitlines()[:4] == ["gate", "waive", told.about.verdict[:12], "roc_auc >= 0.99"]


def test_a_pass_has_its_checks_and_nothing_to_do() -> None:
    honest = evidence(2000)
    verdict = refused("roc_auc >= 0.55", score=honest.score, champion=honest.champion)
    told = explained(verdict, seen=Seen())
    assert (told.decision, told.decisive, told.steps) == ("pass", None, ())
    assert screen(told)[0] == "flights, run-0012: passed"
    assert len(screen(told)) == 5 + len(verdict.results)


def test_json_gives_the_numbers_back(busy: Explanation) -> None:
    assert msgspec.json.decode(to_json(busy), type=Explanation) == busy
    told = json.loads(to_json(busy))
    assert told["results"][0]["value"] == busy.results[0].value


def test_markdown_has_one_row_per_check_and_no_text_of_others_is_markup(busy: Explanation) -> None:
    lines = markdown(busy).splitlines()
    assert lines[0] == "### Gate: flights, run-0012: rejected"
    table = [line for line in lines if line.startswith(("| **", "| pass"))]
    assert len(table) == len(busy.results)
    assert {line.count(" | ") for line in table} == {6}
    text = "\n".join(lines)
    for markup in ("<b", "@everyone", "](http", "</script>"):
        assert markup not in text
    assert all(step.command in html.unescape(text) for step in busy.steps if step.command)


class Tags(HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_the_page_needs_nothing_else_and_escapes_every_text(busy: Explanation) -> None:
    text = page(busy)
    found = Tags()
    found.feed(text)
    assert not found.tags & {"script", "b", "link", "img", "iframe", "a"}
    assert not found.attributes & {"src", "href", "onload", "style"}
    assert "url(" not in text
    assert HOSTILE in html.unescape(text)
    for result in busy.results:
        assert result.check in html.unescape(text)


def test_the_page_draws_value_bounds_and_limit(floor: Explanation) -> None:
    by_floor = replace(floor, decisive=next(result for result in floor.results if result.check == "roc_auc >= 0.9"))
    drawn = page(by_floor)
    circle, asked = (_number(pattern, drawn) for pattern in (r'cx="([\d.]+)"', r'class="asked" x1="([\d.]+)"'))
    assert circle < asked
    assert "<svg" not in page(replace(floor, decisive=None))


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found is not None
    return float(found[1])


@needs_chromium
def test_the_page_is_not_wider_than_a_phone(busy: Explanation, floor: Explanation, tmp_path: Path) -> None:
    long = replace(floor, headline="a" * 200, sentence="b" * 300)
    found = widths([page(it) for it in (busy, floor, long)], tmp_path)
    assert len(found) == 3
    assert max(found) <= WIDTH


def test_a_verdict_about_nothing_that_is_known_is_named_by_its_id(busy: Explanation) -> None:
    verdict: Verdict = refused("size <= 1MB")
    bare = explanation(verdict, replace(busy.about, run="", verdict=verdict.id), None)
    assert bare.headline == f"flights, verdict {verdict.id[:12]}: rejected"
    assert bare.about.name == verdict.id[:12]
