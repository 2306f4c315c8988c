"""How a run ended, as the command says it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

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
