"""Two runs want the same step at the same time: who does it, who waits, and what if the one who does it is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from detent.pipeline import store
from detent.store.database import open_database
from detent.store.migrate import migrate

STEPS = """
import os, time
from pathlib import Path
from detent.pipeline import pipeline, step

@step
def held() -> str:
    name = Path(NOTES, "did", str(os.getpid()))
    name.touch()
    deadline = time.monotonic() + 60
    while not Path(NOTES, "go").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return "done"

@pipeline
def flow():
    return held()
"""

# A run as a process of its own: folder, id of the run, seconds of a lease.
COMMAND = """
import json, os, sys
from pathlib import Path
from crash_checks import open_all
from in_process import InProcess
from detent.pipeline import lease
from detent.pipeline.graph import build
from detent.pipeline.run import run
from detent.project.code import load_callable

top, name, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
lease.SECONDS, lease.RENEWAL = seconds, seconds / 5
workspace = open_all(top)
graph = build(load_callable("holding.py:flow", workspace.folder), inputs=(), params={})
result = run(graph, inputs={}, workspace=workspace, run_id=name, executor=InProcess())
outcomes = [step.outcome for step in result.run.steps]
print(json.dumps({"outcomes": outcomes, "errors": [str(error) for error in result.errors]}))
"""

# Three processes open a new database at once, again and again: folder, number of rounds. Prints what went wrong.
OPENERS = """
import os, sys, time
from pathlib import Path
from detent.store.database import open_database

def opened(path, at):
    process = os.fork()
    if process:
        return process
    try:
        while time.monotonic() < at:
            pass
        open_database(path).close()
    except BaseException as error:
        print(error, flush=True)
    os._exit(0)

for round in range(int(sys.argv[2])):
    at = time.monotonic() + 0.005
    for process in [opened(Path(sys.argv[1], f"{round}.db"), at) for _ in range(3)]:
        os.waitpid(process, 0)
"""


class Runs:
    """Starts runs and looks at what they note."""

    def __init__(self, top: Path, seconds: float) -> None:
        self.top, self.seconds, self.did = top, seconds, top / "notes" / "did"
        self.started: list[subprocess.Popen[str]] = []
        self.did.mkdir(parents=True)
        (top / "project").mkdir()
        (top / "project" / "holding.py").write_text(STEPS.replace("NOTES", repr(str(top / "notes"))))
        self.db = open_database(top / "state" / "detent.db")
        migrate(self.db, ["detent.store", "detent.pipeline"])

    def start(self, name: str) -> subprocess.Popen[str]:
        places = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        here = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        command = [sys.executable, "-c", COMMAND, str(self.top), name, str(self.seconds)]
        self.started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=here))
        return self.started[-1]

    def start_at_work(self, name: str) -> subprocess.Popen[str]:
        """Start a run and wait until it is in the middle of the step."""
        process = self.start(name)
        wait_for(lambda: (self.did / str(process.pid)).exists())
        return process

    def start_waiting(self, name: str) -> subprocess.Popen[str]:
        """Start a run and wait until it has planned the step that another one works on."""
        process = self.start(name)
        wait_for(lambda: store.run_inputs(self.db, name) is not None)
        return process

    def go(self) -> None:
        """Let the step come to its end, wherever it runs."""
        (self.top / "notes" / "go").touch()

    def times(self) -> int:
        """Return how often the step was executed."""
        return len(list(self.did.iterdir()))

    def entry_run(self) -> str:
        """Return the run that made the only result."""
        (row,) = self.db.rows("SELECT run FROM entries")
        return row["run"]


@pytest.fixture
def runs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Runs]:
    started = Runs(tmp_path, getattr(request, "param", 30.0))
    yield started
    for process in started.started:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()
    started.db.close()


def said(process: subprocess.Popen[str]) -> Any:
    printed, _ = process.communicate(timeout=60)
    return json.loads(printed)


def test_the_one_that_waits_takes_over_from_a_killed_owner_long_before_its_lease_ends(runs: Runs) -> None:
    first = runs.start_at_work("first")
    second = runs.start_waiting("second")
    assert runs.times() == 1
    first.kill()
    began = time.monotonic()
    wait_for(lambda: runs.times() == 2)
    assert time.monotonic() - began < runs.seconds / 2
    runs.go()
    assert said(second) == {"outcomes": ["ran"], "errors": []}
    assert said(runs.start("third"))["outcomes"] == ["hit"]
    states = {row["id"]: row["state"] for row in runs.db.rows("SELECT id, state FROM runs")}
    assert states == {"first": "failed", "second": "succeeded", "third": "succeeded"}


@pytest.mark.parametrize("runs", [1.0], indirect=True)
def test_an_owner_that_stands_still_loses_its_lease_and_uses_the_result_of_who_took_over(runs: Runs) -> None:
    first = runs.start_at_work("first")
    first.send_signal(signal.SIGSTOP)
    second = runs.start_waiting("second")
    wait_for(lambda: runs.times() == 2)
    runs.go()
    assert said(second) == {"outcomes": ["ran"], "errors": []}
    first.send_signal(signal.SIGCONT)
    assert said(first) == {"outcomes": ["hit"], "errors": []}
    assert runs.entry_run() == "second"
    assert said(runs.start("third"))["outcomes"] == ["hit"]
    assert runs.times() == 2


@pytest.mark.parametrize("runs", [1.0], indirect=True)
def test_an_owner_that_only_takes_long_keeps_its_lease(runs: Runs) -> None:
    first = runs.start_at_work("first")
    runs.start_waiting("second")
    since = time.time()
    wait_for(lambda: expiry(runs) > since + 2 * runs.seconds)  # it was renewed, and the waiting one has looked
    runs.go()
    assert said(first)["outcomes"] == ["ran"]
    assert said(runs.started[1])["outcomes"] == ["hit"]
    assert runs.times() == 1


def expiry(runs: Runs) -> float:
    rows = runs.db.rows("SELECT expires FROM leases WHERE owner <> '' AND key NOT LIKE 'run %'")
    return max((row["expires"] for row in rows), default=0.0)


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_commands_that_make_the_database_at_the_same_moment_all_open_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPENERS, str(tmp_path), "60"]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60).stdout == ""
