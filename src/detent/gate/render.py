"""A verdict as a table for the terminal, and as JSON for machines."""

from __future__ import annotations

import msgspec
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from detent.gate.explanation import Explanation
from detent.gate.numbers import HEAD, cells
from detent.records.check import INCONCLUSIVE, PASS, REJECT, Verdict

_STYLES = {PASS: "green", REJECT: "bold red", INCONCLUSIVE: "bold yellow"}
_ENDINGS = {
    PASS: "The gate lets the model through",
    REJECT: "Rejected",
    INCONCLUSIVE: "Inconclusive, so the model does not pass",
}
_CHECK = 1  # index of the one column that may fold
_WIDE, _NARROW = 100, 22  # on a narrower terminal it gets this width at most, so that the numbers fit


def table(verdict: Verdict, *, width: int = 100) -> RenderableType:
    """Return one line of numbers per check with its reason below, and the verdict as a sentence at the end.

    `width` is that of the terminal, in characters.

    Every line is a grid of its own with the same column widths, for a reason may run across the whole width.
    """
    lines = [(result.decision, result.check, *cells(result)) for result in verdict.results]
    widths = [max(len(line[index]) for line in (HEAD, *lines)) for index in range(len(HEAD))]
    if width < _WIDE:
        widths[_CHECK] = min(widths[_CHECK], _NARROW)
    parts: list[RenderableType] = [_line(HEAD, widths, "dim", "dim")]
    for line, result in zip(lines, verdict.results, strict=True):
        parts.append(_line(line, widths, _STYLES[result.decision], "bold"))
        reason = Text(result.reason, style="dim" if result.decision == PASS else "")
        parts.append(Padding(reason, (0, 0, 0, widths[0] + 2)))
    ending = Text(conclusion(verdict), style=_STYLES[verdict.decision])
    return Group(*parts, Padding(ending, (1, 0)))


def conclusion(verdict: Verdict) -> str:
    """Return the verdict as one sentence."""
    return f"{_ENDINGS[verdict.decision]}: {verdict.reason}."


def to_json(it: Verdict | Explanation) -> str:
    """Return the whole verdict or explanation as JSON, fields in the record's order."""
    return msgspec.json.format(msgspec.json.encode(it), indent=2).decode()


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
