"""How a run ended, as the command says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console

from detent.data.expect.words import count
from detent.records.expectation import WARN, DataCheck
from detent.records.run import Run

OK, REFUSED, FAILED = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a run ended."""

    run: Run
    status: int  # exit status
    said: str  # last words
    until: datetime | None  # from then on the same sources give other rows; None: never


def failures(run: Run, logs: Path) -> str:
    """Return the errors of a run, and where its logs are."""
    lines = [f"[red]failed:[/red] {step.error}" for step in run.steps if step.outcome == "failed"]
    return "\n".join([*lines, f"logs: {logs}"])


def tell_warnings(console: Console, checks: Mapping[str, DataCheck]) -> None:
    """Print a line for each promise of the data that is broken and only warns."""
    broken = [(name, result) for name, check in checks.items() for result in check.results if result.outcome == WARN]
    for name, result in broken:
        rows = f" ({count(result.failing, 'row')})" if result.failing else ""
        said = f"{result.expectation}: {result.reason}{rows}"
        console.print(f"  {name:20s} warning  ", style="yellow", end="")
        console.print(said, style="dim", markup=False, soft_wrap=True)
    if broken:
        console.print("  the rows: detent data check --last", style="dim")
