"""Kill `detent run` before one of its operations, then use the project again: `python crash_command.py FOLDER AT`.

`AT` is a number, or "count" to only say how many operations a whole run makes. Prints a line of JSON.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from functools import partial
from pathlib import Path

from detent.testing.crash import Crash, crash, unsupported

PROJECT = """
project: sales
pipeline: pipeline.py:nightly
params: {factor: 2}
data:
  rows: {source: rows.csv}
"""
PIPELINE = """
import polars as pl
from detent.pipeline import pipeline, step


@step
def scaled(rows: pl.DataFrame, factor: int) -> pl.DataFrame:
    return rows.with_columns(pl.col("x") * factor)


@step
def total(rows: pl.DataFrame) -> int:
    return int(rows["x"].sum())


@pipeline
def nightly(rows, factor):
    return {"total": total(scaled(rows, factor))}
"""


def make_project(folder: Path) -> None:
    """Write a project whose state is empty."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / ".detent").mkdir(parents=True)  # `crash` looks at a folder that is there
    (folder / "detent.yaml").write_text(PROJECT)
    (folder / "pipeline.py").write_text(PIPELINE)
    (folder / "rows.csv").write_text("x\n1\n2\n3\n")


def detent(folder: Path, *words: str, at: int | None = None) -> Crash:
    """Run a command in a process of its own; with `at`, until it is killed there with all that it has started."""
    said = folder.parent / "said"
    return crash(partial(_command, folder, words, said), folder / ".detent", at=at)


def _command(folder: Path, words: tuple[str, ...], said: Path) -> None:
    from detent.cli.main import main

    sys.argv = ["detent", "-C", str(folder), *words]
    sys.stdout = sys.stderr = said.open("w")
    main()


def wrong_after(folder: Path, at: int) -> list[str]:
    """Kill a run, use the project, and say what is wrong."""
    make_project(folder)
    killed = detent(folder, "run", at=at)
    wrong = []
    for words in (("run",), ("verify",), ("run",), ("scrub",), ("log",), ("verify",)):
        ended = detent(folder, *words)
        if ended.status:
            said = (folder.parent / "said").read_text()
            wrong.append(f"detent {' '.join(words)} ended with {ended.status}: {said[-2000:]}")
    db = sqlite3.connect(folder / ".detent" / "detent.db")
    states = [state for (state,) in db.execute("SELECT state FROM runs ORDER BY seq")]
    if states[-1] != "succeeded" or "running" in states:
        wrong.append(f"the runs are {states}")
    entries = db.execute("SELECT COUNT(*) FROM entries").fetchone()[0]
    if entries != 2:
        wrong.append(f"there are {entries} results of two steps")
    db.close()
    return wrong if killed.killed else [*wrong, "it was not killed"]  # it makes a few operations more or less each time


if __name__ == "__main__":
    place, moment = Path(sys.argv[1]), sys.argv[2]
    if reason := unsupported():
        sys.stdout.write(json.dumps({"unsupported": reason}))
    elif moment == "count":
        make_project(place)
        sys.stdout.write(json.dumps({"count": len(detent(place, "run").operations)}))
    else:
        sys.stdout.write(json.dumps({"wrong": wrong_after(place, int(moment))}))
