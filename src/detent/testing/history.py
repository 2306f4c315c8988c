"""Replay a project in a copy of its folder, as `detent simulate` does."""

from __future__ import annotations

import shutil
from pathlib import Path

from detent.loop.simulated.conclude import Conclusion, conclude
from detent.loop.simulated.simulate import simulate, simulation

LEFT_OUT = shutil.ignore_patterns(".detent", "report", "__pycache__", ".git", ".venv", ".pytest_cache")


def replay(project: Path, *, into: Path) -> Conclusion:
    """Copy the project into `into`, replay its history there and return what happened.

    Nothing is written to the project itself. The report lies in the copy.

    Raises:
        DetentError: the project or its data is broken, or its first candidate does not pass the gate.
    """
    copy = into / project.name
    shutil.copytree(project, copy, ignore=LEFT_OUT)
    with simulation(copy, fresh=False) as (ws, clock, world):
        replayed = simulate(ws, clock, world, tell=_silent, watch=_unwatched)
        return conclude(ws, replayed)


def _silent(text: str) -> None:
    del text


def _unwatched(date: str, done: int, total: int) -> None:
    del date, done, total
