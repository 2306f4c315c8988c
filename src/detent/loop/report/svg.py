"""Pictures drawn by hand as SVG: no library, no script, no font. Colours are classes, so a page may be light or dark.

Every picture is drawn for a width in pixels, and text keeps its size: a page shows one drawing on a phone and another
on a desk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

LETTER = 6.2  # pixels that a letter of 11 px takes, about
TOP, BOTTOM, LEFT, RIGHT = 16, 22, 40, 16  # margins of a plot, in pixels
ROW = 17  # height of a row of a table, in pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value in a plot."""

    value: float
    low: float | None
    high: float | None
    tone: str  # good | warn | bad | soft: a class of the page
    label: str  # on the x axis, where there is room
    title: str  # what a pointer over it shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A vertical line at a place between points, such as a promotion."""

    at: float  # 0 is the first point, 1 the second
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """One cell of a table of colours."""

    tone: str
    strength: float  # 0..1
    title: str


def plot(
    points: Sequence[Point],
    *,
    width: int,
    height: int = 200,
    limit: tuple[str, float] | None = None,
    marks: Sequence[Mark] = (),
    about: str,
    share: bool = False,
) -> str:
    """Draw values with their bounds from left to right.

    Args:
        points: one per window, in order; none gives an empty text.
        width: pixels.
        height: pixels.
        limit: name and value of a limit, drawn dashed.
        marks: vertical lines.
        about: what a reader who can't see the picture is told.
        share: the values are shares, 0 to 1, and are written as percentages.
    """
    if not points:
        return ""
    low, high, step = _axis(points, limit)
    inner, floor, right = width - LEFT - RIGHT, height - BOTTOM, width - RIGHT

    def x(place: float) -> float:
        return LEFT + inner * (place + 0.5) / len(points)

    def y(value: float) -> float:
        return TOP + (floor - TOP) * (high - value) / (high - low)

    parts = [_opened(width, height, about)]
    for number in range(round((high - low) / step) + 1):
        value = low + number * step
        parts.append(_line("grid", (LEFT, y(value)), (right, y(value))))
        parts.append(_text(LEFT - 6, y(value) + 4, f"{value:.0%}" if share else f"{value:,.{_digits(step)}f}", "end"))
    parts += _marks(marks, x, floor)
    if limit is not None:
        parts.append(_line("limit", (LEFT, y(limit[1])), (right, y(limit[1]))))
        parts.append(_text(LEFT + 4, y(limit[1]) - 4, limit[0], "start", "limit"))
    trace = " ".join(f"{x(place):.1f},{y(point.value):.1f}" for place, point in enumerate(points))
    parts.append(f'<polyline class="trace" points="{trace}"/>')
    parts += [_drawn(point, x(place), y) for place, point in enumerate(points)]
    parts += _labels([point.label for point in points], x, height - 6, inner)
    return "".join([*parts, "</svg>"])


def table(rows: Sequence[tuple[str, Sequence[Square | None]]], *, width: int, labels: Sequence[str], about: str) -> str:
    """Draw a table of colours: one row per name, one column per window; None is an empty cell."""
    if not rows or not labels:
        return ""
    gutter = min(width * 0.38, 14 + LETTER * max(len(name) for name, _ in rows))
    inner = width - gutter - 2
    cell, most = inner / len(labels), int((gutter - 8) / LETTER)
    parts = [_opened(width, ROW * len(rows) + BOTTOM, about)]
    for number, (name, squares) in enumerate(rows):
        shown = name if len(name) <= most else name[: most - 1] + "…"
        parts.append(_text(gutter - 6, ROW * number + 12, shown, "end", title=name))
        parts += [
            _square(square, gutter + cell * place, ROW * number + 1, max(cell - 1, 1))
            for place, square in enumerate(squares)
        ]
    parts += _labels(labels, lambda place: gutter + cell * (place + 0.5), ROW * len(rows) + BOTTOM - 6, inner)
    return "".join([*parts, "</svg>"])


def _opened(width: int, height: int, about: str) -> str:
    box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg {box} role="img" aria-label="{escape(about)}">'


def _line(kind: str, start: tuple[float, float], end: tuple[float, float], title: str = "") -> str:
    (x1, y1), (x2, y2) = start, end
    inside = f"<title>{escape(title)}</title>" if title else ""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}">{inside}</line>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "", *, title: str = "") -> str:
    inside = f"<title>{escape(title)}</title>" if title else ""
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{inside}{escape(text)}</text>'


def _drawn(point: Point, x: float, y: Callable[[float], float]) -> str:
    bounds = ""
    if point.low is not None and point.high is not None:
        bounds = _line("bound", (x, y(point.low)), (x, y(point.high)))
    dot = f'<circle cx="{x:.1f}" cy="{y(point.value):.1f}" r="3"/>'
    return f'<g class="{point.tone}"><title>{escape(point.title)}</title>{bounds}{dot}</g>'


def _square(square: Square | None, x: float, y: float, width: float) -> str:
    box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{ROW - 2}"'
    if square is None:
        return f'<rect class="none" {box}/>'
    strength = 0.25 + 0.75 * square.strength
    return (
        f'<rect class="{square.tone}" fill-opacity="{strength:.2f}" {box}><title>{escape(square.title)}</title></rect>'
    )


def _axis(points: Sequence[Point], limit: tuple[str, float] | None) -> tuple[float, float, float]:
    """Return the ends of the axis, on round numbers, and the step between them."""
    values = [value for point in points for value in (point.value, point.low, point.high) if value is not None]
    values += [] if limit is None else [limit[1]]
    low, high = min(values), max(values)
    room = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(room))
    step = next(power * size for size in (0.2, 0.25, 0.5, 1, 2, 5) if room / (power * size) <= 5)
    low, high = step * math.floor(low / step), step * math.ceil(high / step)
    return low, (high if high > low else low + step), step


def _digits(step: float) -> int:
    """Return how many digits behind the point a step needs."""
    return next((digits for digits in range(9) if abs(step * 10**digits - round(step * 10**digits)) < 1e-6), 9)


def _marks(marks: Sequence[Mark], x: Callable[[float], float], floor: float) -> list[str]:
    """Draw every line, and as many of the texts as do not touch."""
    parts, free = [], -math.inf
    for mark in marks:
        at, half = x(mark.at), LETTER * (len(mark.text) + 1) / 2
        parts.append(_line("mark", (at, TOP), (at, floor), mark.text))
        if at - half >= free:
            parts.append(_text(at, TOP - 4, mark.text, "middle", "mark"))
            free = at + half
    return parts


def _labels(labels: Sequence[str], x: Callable[[float], float], y: float, inner: float) -> list[str]:
    """Write as many labels under the picture as there is room for, evenly."""
    room = LETTER * (max(len(label) for label in labels) + 2)
    every = max(1, math.ceil(len(labels) * room / inner))
    return [_text(x(place), y, label, "middle") for place, label in enumerate(labels) if place % every == 0]
