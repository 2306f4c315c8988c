from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import pytest

from detent.loop.report.svg import Mark, Point, Square, plot, table


def point(value: float, low: float | None = None, high: float | None = None) -> Point:
    return Point(value=value, low=low, high=high, tone="good", label="1 Mar", title="<a> & b")


@pytest.mark.parametrize(
    "values",
    [[0.0], [0.7] * 5, [-3.0, 4.0], [1e-9, 2e-9], [1e12, 3e12], [0.0, 1.0], list(range(400))],
    ids=["one", "constant", "negative", "tiny", "huge", "shares", "many"],
)
@pytest.mark.parametrize("width", [328, 620])
def test_whatever_is_drawn_stays_inside_the_picture(values: list[float], width: int) -> None:
    drawn = plot([point(value, value - 0.1, value + 0.1) for value in values], width=width, about="a plot")
    root = ElementTree.fromstring(drawn)
    height = float(root.attrib["height"])
    across = [float(found) for found in re.findall(r' (?:x|x1|x2|cx)="(-?[\d.]+)"', drawn)]
    down = [float(found) for found in re.findall(r' (?:y|y1|y2|cy)="(-?[\d.]+)"', drawn)]
    assert min(across) >= 0
    assert max(across) <= width
    assert min(down) >= 0
    assert max(down) <= height
    assert 2 <= drawn.count('class="grid"') <= 8


def test_nothing_draws_nothing() -> None:
    assert plot([], width=300, about="a plot") == ""
    assert table([], width=300, labels=[], about="a table") == ""
    assert table([("a", [])], width=300, labels=[], about="a table") == ""


def test_a_limit_a_mark_and_a_bar_are_drawn_and_texts_are_escaped() -> None:
    drawn = plot(
        [point(0.7, 0.6, 0.8), point(0.5)], width=400, limit=("floor <0.6>", 0.6), marks=[Mark(at=0.5, text="v2")],
        about="quality & more", share=True,
    )  # fmt: skip
    root = ElementTree.fromstring(drawn)
    texts = [element.text for element in root.iter("text")]
    assert "floor <0.6>" in texts
    assert "v2" in texts
    assert "50%" in texts
    assert len([line for line in root.iter("line") if line.attrib["class"] == "bound"]) == 1


def test_a_table_has_a_cell_for_each_window_and_shortens_long_names() -> None:
    squares = [None, Square(tone="warn", strength=1.0, title="it moved"), Square(tone="soft", strength=0.0, title="")]
    drawn = table([("a_name_that_is_much_too_long_for_a_phone", squares)], width=328, labels=["1", "2", "3"], about="t")
    root = ElementTree.fromstring(drawn)
    assert [cell.attrib["class"] for cell in root.iter("rect")] == ["none", "warn", "soft"]
    assert "a_name_that_is_much_too_long_for_a_phone" not in re.sub(r"<title>.*?</title>", "", drawn)


def test_labels_never_touch_each_other() -> None:
    drawn = plot([point(float(n)) for n in range(90)], width=328, about="a plot")
    places = [float(x) for x in re.findall(r'x="([\d.]+)" y="194\.0" text-anchor="middle"', drawn)]
    assert len(places) >= 3
    assert min(b - a for a, b in itertools.pairwise(places)) >= 5 * 6
