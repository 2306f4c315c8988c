"""Checks of data for the terminal: one line per promise, and the first rows that break it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from detent.data.expect.judge import ROW
from detent.data.expect.words import count
from detent.records.expectation import FAIL, PASS, WARN, DataCheck, ExpectationResult

_STYLES = {PASS: "green", WARN: "bold yellow", FAIL: "bold red"}
_ENDINGS = {
    PASS: "keeps every promise",
    WARN: "keeps every promise that must hold, and breaks some that warn",
    FAIL: "breaks a promise that must hold, so nothing may be trained on it",
}
SHOWN_ROWS = 5
SHOWN_COLUMNS = 6
_WIDTH = 24  # characters of a value that are shown


def table(check: DataCheck, failing: Mapping[str, pl.DataFrame], *, key: str | None = None) -> RenderableType:
    """Return the results of one dataset with the first failing rows of each broken promise.

    `failing` holds the kept rows by their blob's digest (`ExpectationResult.kept`); `key` is the column that names a
    row, and is shown first.
    """
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_row(*(Text(word, style="dim") for word in ("outcome", "promise", "failing rows")))
    parts: list[RenderableType] = [Text(f"{check.dataset}  {check.snapshot[:12]}", style="bold"), grid]
    for result in check.results:
        grid.add_row(
            Text(result.outcome, style=_STYLES[result.outcome]),
            Text(f"{result.expectation}\n{result.reason}"),
            Text(f"{result.failing:,}" if result.failing else "-"),
        )
    for result in check.results:
        rows = failing.get(result.kept)
        if result.outcome != PASS and rows is not None:
            parts.append(Padding(_rows(result, rows, key), (1, 0, 0, 2)))
    ending = f"{check.dataset} {_ENDINGS[check.outcome]}"
    return Group(*parts, Padding(Text(ending, style=_STYLES[check.outcome]), (1, 0)))


def _rows(result: ExpectationResult, rows: pl.DataFrame, key: str | None) -> RenderableType:
    first = [ROW, *([key] if key is not None else []), *result.columns]
    names = [name for name in dict.fromkeys([*first, *rows.columns]) if name in rows.columns][:SHOWN_COLUMNS]
    cells = [[_value(cell) for cell in row] for row in rows.select(names).head(SHOWN_ROWS).rows()]
    grid = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for index, name in enumerate(names):
        head = "row" if name == ROW else name
        width = max(len(head), *(len(row[index]) for row in cells)) if name in first else None
        grid.add_column(head, no_wrap=True, min_width=width)
    for row in cells:
        grid.add_row(*map(Text, row))
    more = result.failing - len(cells)
    title = Text(f"{result.expectation}: {count(result.failing, 'failing row')}", style="bold")
    tail = [Text(f"... and {more:,} more", style="dim")] if more > 0 else []
    return Group(title, grid, *tail)


def _value(found: object) -> str:
    """Return a cell as short text."""
    if isinstance(found, float):
        text = f"{found:.6g}"
    elif isinstance(found, datetime):
        text = found.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
    else:
        text = "null" if found is None else str(found)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
