"""`detent gate plan` and `detent gate check`: what the gate can see, and what it will do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

NOTICED = 0.1  # seconds; what was faster is not worth a word

if TYPE_CHECKING:
    from detent.gate.power import Seeable
    from detent.loop.judging.gate_check import Checked
    from detent.loop.judging.gate_plan import GateForecast


@click.command("plan")
@click.option(
    "--rows", type=click.IntRange(min=1), help="So many new evaluation rows (default: the last evaluation's)."
)
@click.pass_obj
def plan(folder: Path, rows: int | None) -> None:
    """Say, before anything is trained, what these rows can show and how many rows each line of the gate takes."""
    from detent.loop.judging.gate_plan import gate_forecast
    from detent.loop.workspace import open_workspace

    for line in plan_lines(gate_forecast(open_workspace(folder), rows)):
        click.echo(line)


@click.command("check")
@click.pass_obj
def check(folder: Path) -> None:
    """Read the gate section, and say of each line what it will do and what that takes. Status 2: it can't be judged."""
    from detent.loop.judging.gate_check import check_gate
    from detent.loop.workspace import open_workspace

    checked = check_gate(open_workspace(folder))
    for line in check_lines(checked):
        click.echo(line)
    raise SystemExit(2 if checked.faults else 0)


def plan_lines(told: GateForecast) -> Iterator[str]:
    """Yield the holdout, then for each line what it sees, what must be true, and the rows that it takes."""
    from detent.gate.wording import percent

    sure = percent(told.confidence)
    if told.planned == told.rows and told.candidates:
        others = f"{told.candidates} candidate{' was' if told.candidates == 1 else 's were'} judged on them"
        yield f"holdout   the {told.rows:,} rows of {told.run}; {others}, so the next one is held to {sure}"
        yield "          on new rows the count begins again: `--rows N` plans for so many"
    else:
        yield f"holdout   {told.planned:,} new rows that vary as those of {told.run}; the first one is held to {sure}"
    yield ""
    rows = [(line.check, *_cells(line, told.planned)) for line in told.lines]
    head = ("check", "sees at 80 %", "passes 4 of 5 times if truly", "rows it takes")
    wide = [max(len(row[index]) for row in (head, *rows)) for index in range(len(head))]
    for row, line in zip((head, *rows), (None, *told.lines), strict=True):
        yield "  ".join(f"{text:<{width}}" for text, width in zip(row, wide, strict=True)).rstrip()
        if line is not None:
            for text in (line.goal, line.note if line.sees is not None else ""):
                if text:
                    yield f"  {text}"


def check_lines(told: Checked) -> Iterator[str]:
    """Yield each line of the gate section with its meaning and its cost, then what is wrong with it."""
    for item in told.lines:
        yield item.check
        yield f"  {item.meaning}"
        seconds = item.seconds or 0.0
        lately = f" ({seconds:.{2 if seconds < 10 else 0}f} s the last time)" if seconds >= NOTICED else ""
        yield f"  takes {item.takes}{lately}"
    yield ""
    yield from told.section
    for fault in told.faults:
        yield ""
        yield f"wrong: {fault}"


def _cells(line: Seeable, planned: int) -> tuple[str, str, str]:
    from detent.gate.wording import number

    if line.sees is None:
        return "-", "-", line.note
    if line.needed is None:
        return number(line.sees), line.truth, "-"
    more = line.needed - planned
    return number(line.sees), line.truth, f"{line.needed:,}: {'enough' if more <= 0 else f'{more:,} more'}"
