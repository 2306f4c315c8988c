"""An explanation for a pull request. Names of slices and rows are anybody's text: nothing in them is markup."""

from __future__ import annotations

from collections.abc import Sequence

from detent.gate.explanation import Explanation
from detent.gate.numbers import EXAMPLE_HEAD, HEAD, SLICE_HEAD, cells, example_cells, example_title, slice_cells
from detent.gate.waived import told
from detent.records.check import PASS, CheckResult

_ENTITIES = {ord(sign): f"&#{ord(sign)};" for sign in "&<>|@[]*`~#\\"}


def markdown(it: Explanation) -> str:
    """Return the explanation as Markdown that GitHub and GitLab render alike."""
    lines = [f"### Gate: {_plain(it.headline)}", "", f"**{_plain(it.sentence)}**"]
    if it.power:
        lines += ["", _plain(it.power)]
    rows = [_result(result, it.sentence) for result in it.results]
    lines += ["", *_table((*HEAD, "reason"), rows, right=(2, 3, 4, 5))]
    lines += [line for waiver in it.waivers for line in ("", f"- {_plain(told(waiver))}")]
    if it.parts:
        parts = [tuple(map(_plain, slice_cells(part))) for part in it.parts]
        lines += ["", "**Worst slices**", "", *_table(SLICE_HEAD, parts, right=(1, 2, 3, 4))]
    if it.seen.examples:
        examples = [tuple(map(_plain, example_cells(row))) for row in it.seen.examples]
        lines += [
            "",
            f"**{_plain(example_title(it.seen.examples, it.seen.examples_of))}**",
            "",
            *_table(EXAMPLE_HEAD, examples, right=(1, 2, 3)),
        ]
    if it.seen.changed:
        lines += [
            "",
            f"**What differs from the champion ({it.about.champion})**",
            "",
            *(f"- {_plain(text)}" for text in it.seen.changed),
        ]
    if it.steps:
        lines += ["", "**What to do next**", ""]
        for step in it.steps:
            lines.append(f"- {_plain(step.text)}" + (f" {_code(step.command)}" if step.command else ""))
    return "\n".join(lines) + "\n"


def _result(result: CheckResult, known: str) -> tuple[str, ...]:
    """Return a check's row; a reason that is no news is left out."""
    decision = result.decision if result.decision == PASS else f"**{result.decision}**"
    waived = " (waived)" if result.waiver else ""
    reason = "" if result.decision == PASS or result.reason in known else _plain(result.reason)
    return (decision + waived, _code(result.check), *map(_plain, cells(result)), reason)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int]) -> list[str]:
    rule = ["---:" if index in right else "---" for index in range(len(head))]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]


def _plain(text: str) -> str:
    return " ".join(text.split()).translate(_ENTITIES)


def _code(text: str) -> str:
    """Return a code span; a text that could end it, or a table's cell, is written by entities instead."""
    plain = " ".join(text.split())
    return f"<code>{_plain(plain)}</code>" if set(plain) & set("`|") else f"`{plain}`"
