"""An explanation for a terminal: one screen of at most 45 lines at 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from detent.gate.explanation import Explanation
from detent.gate.numbers import EXAMPLE_HEAD, HEAD, SLICE_HEAD, cells, example_cells, example_title, slice_cells
from detent.gate.waived import told
from detent.records.check import PASS, CheckResult

WIDTH, HEIGHT = 100, 45
REASON = 2  # lines of a reason
FAILING, STEPS = 6, 4  # rows of each part
_LEFT = 2  # columns of a table that are text; the others are numbers, to the right


@dataclass(frozen=True, slots=True)
class _Room:
    """How many rows of each part are shown."""

    examples: int
    reasons: int
    changed: int
    slices: int = 5


_ROOMS = (_Room(4, 4, 3), _Room(3, 3, 2), _Room(2, 2, 2, 4), _Room(2, 1, 1, 3), _Room(0, 0, 1, 2))


def screen(it: Explanation, *, width: int = WIDTH) -> list[str]:
    """Return the lines, none wider than `width`, if that is at least 40. Checks that passed take what room is left."""
    width = max(40, min(width, WIDTH))
    lines: list[str] = []
    for room in _ROOMS:
        head, tail = _head(it, width), [*_parts(it, width, room), *_changed(it, width, room), *_steps(it, width)]
        lines = [*head, "", *_checks(it, width, room, HEIGHT - len(head) - len(tail) - 1), *tail]
        if len(lines) <= HEIGHT:
            break
    return lines


def _head(it: Explanation, width: int) -> list[str]:
    judged = f"verdict {it.about.verdict[:12]} of {it.about.judged_at[:16].replace('T', ' ')} UTC"
    lines = [*textwrap.wrap(it.headline, width), *_short(judged, width, "  ", 1), *_short(it.sentence, width, "  ", 4)]
    lines += _short(it.power, width, "  ", REASON) if it.power else []
    for waiver in it.waivers[:STEPS]:
        lines += _short(told(waiver), width, "  ", REASON)
    return lines


def _checks(it: Explanation, width: int, room: _Room, height: int) -> list[str]:
    """Return a row per check; below each that does not pass the reason, unless it stands in the head already."""
    table = _table(HEAD, [(_decision(result), result.check, *cells(result)) for result in it.results], width)
    failing = [result for result in it.results if result.decision != PASS]
    lines, reasons = table[:1], 0
    for row, result in zip(table[1 : 1 + FAILING], failing, strict=False):
        lines.append(row)
        if result.reason not in it.sentence and reasons < room.reasons:
            lines += _short(result.reason, width, "    ", REASON)
            reasons += 1
    lines += _more(len(failing) - FAILING, "that do not pass")
    passed = table[1 + len(failing) :]
    left = max(0, height - len(lines))
    shown = passed if len(passed) <= left else passed[: max(0, left - 1)]
    return lines + shown + _more(len(passed) - len(shown), "that passed" if shown else "passed")


def _parts(it: Explanation, width: int, room: _Room) -> list[str]:
    lines = []
    if it.parts:
        slices = [slice_cells(part) for part in it.parts[: room.slices]]
        lines += ["", "WORST SLICES", *_table(SLICE_HEAD, slices, width, left=1)]
    if it.seen.examples and room.examples:
        rows = [example_cells(row) for row in it.seen.examples[: room.examples]]
        of = it.seen.examples_of
        title = example_title(it.seen.examples, of).upper().replace(of.upper(), of)
        lines += ["", *_short(title, width, "", 1), *_table(EXAMPLE_HEAD, rows, width, left=1)]
    return lines


def _changed(it: Explanation, width: int, room: _Room) -> list[str]:
    if not it.seen.changed:
        return []
    lines = ["", f"WHAT DIFFERS FROM THE CHAMPION ({it.about.champion})"]
    for text in it.seen.changed[: room.changed]:
        lines += _short(text, width, "  ", 1)
    return lines + _more(len(it.seen.changed) - room.changed, "")


def _steps(it: Explanation, width: int) -> list[str]:
    lines = ["", "WHAT TO DO NEXT"] if it.steps else []
    for step in it.steps[:STEPS]:
        lines += _short(step.text, width, "  ", REASON)
        lines += [f"      {step.command}"] if step.command else []
    return lines


def _decision(result: CheckResult) -> str:
    return f"{result.decision}, waived" if result.waiver else result.decision


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, left: int = _LEFT) -> list[str]:
    """Return an aligned table; where it is too wide, its text gives way to an ellipsis, then its last columns go."""
    every = [head, *rows]
    widths = [max(len(row[index]) for row in every) for index in range(len(head))]
    over = 2 + sum(widths) + 2 * (len(widths) - 1) - width
    if over > 0:
        widths[left - 1] = max(12, widths[left - 1] - over)
    return [_row(row, widths, left)[:width].rstrip() for row in every]


def _row(row: Sequence[str], widths: Sequence[int], left: int) -> str:
    parts = []
    for index, (text, wide) in enumerate(zip(row, widths, strict=True)):
        short = text if len(text) <= wide else text[: wide - 1] + "…"
        parts.append(f"{short:<{wide}}" if index < left else f"{short:>{wide}}")
    return "  " + "  ".join(parts)


def _short(text: str, width: int, indent: str, most: int) -> list[str]:
    """Return a sentence in at most `most` lines."""
    plain = " ".join(text.split())
    return textwrap.wrap(
        plain, width, initial_indent=indent, subsequent_indent=indent, max_lines=most, placeholder=" …"
    )


def _more(rest: int, what: str) -> list[str]:
    return [f"  and {rest} more {what}".rstrip()] if rest > 0 else []
