"""A verdict for people (terminal, Markdown) and for machines (JSON)."""

from __future__ import annotations

import msgspec
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from detent.gate.wording import limit, quantity
from detent.records.check import INCONCLUSIVE, PASS, REJECT, CheckResult, Verdict

_STYLES = {PASS: "green", REJECT: "bold red", INCONCLUSIVE: "bold yellow"}
_ENDINGS = {
    PASS: "The gate lets the model through",
    REJECT: "Rejected",
    INCONCLUSIVE: "Inconclusive, so the model does not pass",
}
_HEAD = ("decision", "check", "value", "interval", "asked", "rows")
_CHECK = 1  # index of the one column that may fold
_WIDE, _NARROW = 100, 22  # on a narrower terminal it gets this width at most, so that the numbers fit


def table(verdict: Verdict, *, width: int = 100) -> RenderableType:
    """Return one line of numbers per check with its reason below, and the verdict as a sentence at the end.

    `width` is that of the terminal, in characters.

    Every line is a grid of its own with the same column widths, for a reason may run across the whole width.
    """
    lines = [(result.decision, result.check, *_cells(result)) for result in verdict.results]
    widths = [max(len(line[index]) for line in (_HEAD, *lines)) for index in range(len(_HEAD))]
    if width < _WIDE:
        widths[_CHECK] = min(widths[_CHECK], _NARROW)
    parts: list[RenderableType] = [_line(_HEAD, widths, "dim", "dim")]
    for line, result in zip(lines, verdict.results, strict=True):
        parts.append(_line(line, widths, _STYLES[result.decision], "bold"))
        reason = Text(result.reason, style="dim" if result.decision == PASS else "")
        parts.append(Padding(reason, (0, 0, 0, widths[0] + 2)))
    ending = Text(conclusion(verdict), style=_STYLES[verdict.decision])
    return Group(*parts, Padding(ending, (1, 0)))


def conclusion(verdict: Verdict) -> str:
    """Return the verdict as one sentence."""
    return f"{_ENDINGS[verdict.decision]}: {verdict.reason}."


def to_markdown(verdict: Verdict) -> str:
    """Return the verdict as a Markdown table with the sentence below, for a pull request or a model card."""
    lines = [
        "| check | value | interval | asked | rows | decision | reason |",
        "|---|---:|---:|---:|---:|---|---|",
    ]
    for result in verdict.results:
        decision = result.decision if result.decision == PASS else f"**{result.decision}**"
        cells = (f"`{result.check}`", *_cells(result), decision, result.reason)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join([*lines, "", f"**{_cell(conclusion(verdict))}**", ""])


def to_json(verdict: Verdict) -> str:
    """Return the whole verdict as JSON, fields in the record's order."""
    return msgspec.json.format(msgspec.json.encode(verdict), indent=2).decode()


def _line(cells: tuple[str, ...], widths: list[int], first: str, second: str) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for index, width in enumerate(widths):
        folds = index == _CHECK
        grid.add_column(
            justify="right" if index > _CHECK else "left",
            min_width=None if folds else width,
            width=width if folds else None,
            no_wrap=not folds,
            style=(first, second)[index] if index <= _CHECK else "dim" if first == "dim" else "",
        )
    grid.add_row(*(Text(cell) for cell in cells))
    return grid


def _cells(result: CheckResult) -> tuple[str, str, str, str]:
    """Value, interval, threshold and rows as text; a dash where there is none."""
    value, low, high = (
        "-" if part is None else quantity(result.kind, part) for part in (result.value, result.low, result.high)
    )
    asked = "-" if result.threshold is None else limit(result.kind, result.threshold)
    interval = "-" if result.low is None else f"{low} .. {high}"
    return value, interval, asked, f"{result.rows:,}" if result.rows else "-"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
