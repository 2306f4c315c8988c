"""What a case of the benchmark found, and how it is written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


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


BEGIN, END = "<!-- begin bench/monitor -->", "<!-- end bench/monitor -->"


def put(path: Path, report: str) -> None:
    """Replace what stands between the markers of a Markdown file.

    Raises:
        ValueError: the file lacks them.
    """
    before, found, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"{path} has no lines {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{report}\n{END}{after}", encoding="utf-8")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
