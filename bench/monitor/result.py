"""What a case of the benchmark found, and how it is written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One table."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]  # one text per column
    notes: tuple[str, ...] = ()  # one sentence each: how it was measured, what it doesn't show


def markdown(result: Result) -> str:
    """Return the table with its title and notes."""
    lines = [f"### {result.title}", "", _row(result.columns), _row(["---"] * len(result.columns))]
    lines += [_row(row) for row in result.rows]
    if result.notes:
        lines += ["", *(f"- {note}" for note in result.notes)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
