"""An explanation as one HTML file: no script, nothing is fetched, fit for a phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import jinja2
from markupsafe import Markup, escape

from detent.gate.explanation import Explanation
from detent.gate.numbers import (
    DASH,
    EXAMPLE_HEAD,
    HEAD,
    SLICE_HEAD,
    asked_text,
    cells,
    example_cells,
    example_title,
    slice_cells,
)
from detent.gate.waived import told
from detent.gate.wording import quantity
from detent.records.check import INCONCLUSIVE, PASS, REJECT, CheckResult

_TONES = {PASS: "good", REJECT: "bad", INCONCLUSIVE: "warn"}
_WIDE, _EDGE = 600, 70  # of the drawing, in its own units; the edges are for the numbers at both ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of a table, with what is to be said below it."""

    cells: tuple[str, ...]
    tone: str = ""  # of the first cell
    name: int = 0  # the cell that names the row
    why: str = ""


def page(it: Explanation) -> str:
    """Return the page; every text in it is escaped."""
    folder = resources.files("detent.gate")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = Markup(folder.joinpath("refusal.css").read_text(encoding="utf-8"))  # noqa: S704  (our own file)
    return environment.from_string(folder.joinpath("refusal.html.j2").read_text(encoding="utf-8")).render(
        it=it,
        style=style,
        tone="warn" if it.waivers else _TONES[it.decision],
        scale=_scale(it.decisive) if it.decisive else "",
        waivers=[told(waiver) for waiver in it.waivers],
        grid=_grid,
        head=HEAD,
        failing=[_check(result, it.sentence) for result in it.results if result.decision != PASS],
        passed=[_check(result, it.sentence) for result in it.results if result.decision == PASS],
        slice_head=SLICE_HEAD,
        parts=[Line(cells=slice_cells(part)) for part in it.parts],
        example_head=EXAMPLE_HEAD,
        example_title=example_title(it.seen.examples, it.seen.examples_of),
        examples=[Line(cells=example_cells(row)) for row in it.seen.examples],
    )


def _check(result: CheckResult, known: str) -> Line:
    decision = f"{result.decision}, waived" if result.waiver else result.decision
    tone = "warn" if result.waiver else _TONES[result.decision]
    return Line(
        cells=(decision, result.check, *cells(result)),
        tone=tone,
        name=1,
        why="" if result.reason in known else result.reason,
    )


def _grid(head: Sequence[str], lines: Sequence[Line]) -> Markup:
    """Return a table whose rows become blocks on a phone, each cell with its column's name before it."""
    texts = max((line.name for line in lines), default=0) + 1
    side = ["" if index < texts else "n" for index in range(len(head))]
    rows = [Markup("<tr>{}</tr>").format(Markup("").join(_head(*pair) for pair in zip(head, side, strict=True)))]
    for line in lines:
        told_row = Markup(' class="told"') if line.why else ""
        rows.append(Markup("<tr{}>{}</tr>").format(told_row, Markup("").join(_cells(line, head, side))))
        if line.why:
            rows.append(Markup('<tr><td class="why" colspan="{}">{}</td></tr>').format(len(head), line.why))
    return Markup("<table><tbody>{}</tbody></table>").format(Markup("").join(rows))


def _head(name: str, side: str) -> Markup:
    return Markup('<th class="{}">{}</th>').format(side, name)


def _cells(line: Line, head: Sequence[str], side: Sequence[str]) -> list[Markup]:
    told_cells = []
    for index, text in enumerate(line.cells):
        classes = " ".join(
            part for part in (side[index], "name" if index == line.name else "", "" if index else line.tone) if part
        )
        shown = "" if text == DASH and index > line.name else text
        told_cells.append(Markup('<td class="{}" data-name="{}">{}</td>').format(classes, head[index], shown))
    return told_cells


def _scale(result: CheckResult) -> Markup:
    """Draw value, interval and limit on one line; nothing where one of them is missing."""
    if result.value is None or result.low is None or result.high is None or result.threshold is None:
        return Markup("")
    points = (result.value, result.low, result.high, result.threshold)
    least, span = min(points), max(points) - min(points)
    if span <= 0.0:
        return Markup("")

    def x(value: float) -> float:
        return round(_EDGE + (value - least) / span * (_WIDE - 2 * _EDGE), 1)

    tone = "warn" if result.waiver else _TONES[result.decision]
    asked, value = asked_text(result.kind, result.threshold), quantity(result.kind, result.value)
    about = f"{result.check}: {value}, interval {quantity(result.kind, result.low)} to "
    about += f"{quantity(result.kind, result.high)}, asked {asked}"
    return Markup(
        '<svg viewBox="0 0 {wide} 74" class="{tone}" role="img" aria-label="{about}">'
        '<line class="axis" x1="0" x2="{wide}" y1="36" y2="36"/>'
        '<line class="bar" x1="{low}" x2="{high}" y1="36" y2="36"/><circle cx="{at}" cy="36" r="6"/>'
        '<line class="asked" x1="{limit}" x2="{limit}" y1="22" y2="50"/>'
        '<text x="{at}" y="16" text-anchor="middle">{value}</text>'
        '<text x="{limit}" y="68" text-anchor="middle">asked {asked}</text></svg>'
    ).format(
        wide=_WIDE, tone=tone, about=escape(about), low=x(result.low), high=x(result.high), at=x(result.value),
        limit=x(result.threshold), value=value, asked=asked,
    )  # fmt: skip
