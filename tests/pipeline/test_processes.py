"""Workers and runs as real processes: killed, too slow, retried, and two at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline_project import Project, outcomes

from detent.pipeline import LocalExecutor
from detent.store.blobs import open_blobs
from detent.store.database import open_database
from detent.store.migrate import migrate

HEAD = """
import os
import sys
import time
from pathlib import Path

from detent.pipeline import pipeline, step

NOTES = Path({notes!r})


def note(name):
    with NOTES.open("a") as file:
        file.write(f"{{name}} {{os.getpid()}}\\n")


def notes(name):
    return [line for line in NOTES.read_text().splitlines() if line.startswith(name + " ")] if NOTES.exists() else []


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
"""


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Path]:
    """A file by which steps and tests talk. It lies where a step's reading is not recorded: it changes all the time."""
    path = Path("/dev/shm") / f"detent-{os.getpid()}-{tmp_path.name}"
    yield path
    path.unlink(missing_ok=True)


def write(project: Project, notes: Path, body: str) -> None:
    project.write(steps_under_test=HEAD.format(notes=str(notes)) + body)


def lines(notes: Path, name: str) -> list[int]:
    """Return the process ids that noted a name, in order."""
    text = notes.read_text() if notes.exists() else ""
    return [int(line.split()[1]) for line in text.splitlines() if line.startswith(name + " ")]


def wait_for(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_independent_steps_run_at_the_same_time(project: Project, notes: Path) -> None:
    write(
        project,
        notes,
        """
@step
def one(rows) -> int:
    note("one")
    wait_for(lambda: notes("two"))
    return 1

@step
def two(rows) -> int:
    note("two")
    wait_for(lambda: notes("one"))
    return 2

@pipeline
def flow(rows):
    return {"one": one(rows), "two": two(rows)}
""",
    )
    result = project.run()
    assert result.run.state == "succeeded"
    assert lines(notes, "one") != lines(notes, "two")


def test_a_worker_serves_many_steps_and_runs(project: Project, notes: Path) -> None:
    write(
        project,
        notes,
        """
@step
def one(rows, number: int) -> int:
    note("one")
    return number

@pipeline
def flow(rows, start=0):
    return {"a": one(one(one(rows, start), start + 1), start + 2)}
""",
    )
    project.run()
    project.run(params={"start": 10})
    assert len(lines(notes, "one")) == 6
    assert len(set(lines(notes, "one"))) == 1


def test_a_step_whose_worker_is_killed_is_done_again_by_a_new_one(project: Project, notes: Path) -> None:
    write(
        project,
        notes,
        """
@step
def fragile(rows) -> int:
    first = not notes("fragile")
    print("half done" if first else "done")
    note("fragile")
    wait_for(lambda: not first)
    return 1

@step
def steady(rows) -> int:
    return 2

@pipeline
def flow(rows):
    return {"fragile": fragile(rows), "steady": steady(rows)}
""",
    )

    def kill() -> None:
        wait_for(lambda: lines(notes, "fragile"))
        os.kill(lines(notes, "fragile")[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    result = project.run()
    killer.join()
    assert result.run.state == "succeeded"
    fragile, steady = result.run.steps
    assert (fragile.outcome, fragile.attempts, steady.outcome, steady.attempts) == ("ran", 2, "ran", 1)
    assert len(set(lines(notes, "fragile"))) == 2
    retries = [entry for entry in project.said if entry[1] == "retry"]
    assert [entry[0] for entry in retries] == ["fragile"]
    assert "killed by SIGKILL" in retries[0][2]
    first_log = project.workspace.state / "runs" / "run-1" / "fragile.1.log"
    assert first_log.read_text() == "half done\n"
    assert fragile.log == "runs/run-1/fragile.2.log"


def test_a_step_that_kills_its_worker_each_time_fails(project: Project, notes: Path) -> None:
    write(
        project,
        notes,
        """
@step
def fatal(rows) -> int:
    note("fatal")
    os._exit(3)

@step
def politely(rows) -> int:
    sys.exit("enough")

@pipeline
def flow(rows):
    return {"fatal": fatal(rows), "politely": politely(rows)}
""",
    )
    result = project.run()
    assert outcomes(result) == {"fatal": "failed", "politely": "failed"}
    fatal, politely = result.run.steps
    assert (fatal.attempts, politely.attempts) == (2, 1)
    assert "exit status 3" in fatal.error
    assert "return instead" in politely.error


def test_a_step_that_takes_too_long_is_killed_with_all_that_it_started(project: Project, notes: Path) -> None:
    write(
        project,
        notes,
        """
import subprocess

@step(timeout=2)
def slow(rows) -> int:
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    with NOTES.open("a") as file:
        file.write(f"child {child.pid}\\n")
    note("slow")
    child.wait()
    return 1

@step(timeout=60)
def other(rows) -> int:
    wait_for(lambda: notes("slow"))
    return 2

@pipeline
def flow(rows):
    return {"slow": slow(rows), "other": other(rows)}
""",
    )
    result = project.run()
    assert outcomes(result) == {"slow": "failed", "other": "ran"}
    assert "killed after its timeout of 2 s" in result.run.steps[0].error
    assert result.run.steps[0].attempts == 1
    for pid in (*lines(notes, "slow"), *lines(notes, "child")):
        wait_for(lambda pid=pid: gone(pid))
    assert project.run().run.steps[1].outcome == "hit"  # the pool still works


def test_a_lost_connection_is_tried_again_when_retries_are_asked_for(project: Project, notes: Path) -> None:
    write(
        project,
        notes,
        """
@step(retries=2)
def fetch(rows) -> int:
    note("fetch")
    if len(notes("fetch")) < 3:
        raise ConnectionResetError("the other side hung up")
    return 1

@step
def once(rows) -> int:
    note("once")
    raise ConnectionResetError("the other side hung up")

@pipeline
def flow(rows):
    return {"fetch": fetch(rows), "once": once(rows)}
""",
    )
    result = project.run()
    assert outcomes(result) == {"fetch": "ran", "once": "failed"}
    assert [step.attempts for step in result.run.steps] == [3, 1]


def test_print_from_a_library_below_python_is_in_the_log(project: Project, notes: Path) -> None:
    write(
        project,
        notes,
        """
@step
def talk(rows) -> int:
    os.write(1, b"from below\\n")
    os.system("echo from a child")
    print("from Python", file=sys.stderr)
    return 1

@pipeline
def flow(rows):
    return talk(rows)
""",
    )
    step = project.run().run.steps[0]
    log = (project.workspace.state / step.log).read_text()
    assert sorted(log.splitlines()) == ["from Python", "from a child", "from below"]


def test_closing_the_pool_ends_its_workers(project: Project, notes: Path) -> None:
    write(
        project,
        notes,
        """
@step
def one(rows) -> int:
    note("one")
    return 1

@pipeline
def flow(rows):
    return one(rows)
""",
    )
    with LocalExecutor(1) as executor:
        project.executor = executor
        project.run()
        (pid,) = lines(notes, "one")
        assert not gone(pid)
    wait_for(lambda: gone(pid))
    executor.close()


# A command of its own, as `detent run` is one: it runs the pipeline in the folder that is its argument.
COMMAND = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path

from detent.errors import DetentError
from detent.pipeline import LocalExecutor, Workspace
from detent.pipeline.graph import build
from detent.pipeline.run import run
from detent.project.code import load_callable
from detent.store.blobs import open_blobs
from detent.store.clock import SystemClock
from detent.store.database import open_database

top = Path(sys.argv[1])
workspace = Workspace(folder=top / "project", state=top / "state", blobs=open_blobs(str(top / "state" / "blobs")),
                      db=open_database(top / "detent.db"), clock=SystemClock())
graph = build(load_callable("steps_under_test.py:flow", workspace.folder), inputs=[], params={},
              folder=workspace.folder)
executor = LocalExecutor(1)
try:
    result = run(graph, inputs={}, workspace=workspace, run_id=sys.argv[2], executor=executor)
    print(json.dumps({"outcomes": [step.outcome for step in result.run.steps], "modules": sorted(sys.modules)}))
except DetentError as error:
    print(json.dumps({"error": str(error)}))
finally:
    executor.close()
"""


@pytest.fixture
def command(project: Project, tmp_path: Path) -> Callable[[str], subprocess.Popen[str]]:
    migrate(open_database(tmp_path / "detent.db"), ["detent.store", "detent.pipeline"])
    open_blobs(str(tmp_path / "state" / "blobs"))

    def start(run_id: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(tmp_path), run_id], stdout=subprocess.PIPE, text=True
        )

    return start


WAITING = """
@step
def wait() -> int:
    note("wait")
    wait_for(lambda: notes("go"))
    return 1

@pipeline
def flow():
    return wait()
"""


def test_of_two_runs_at_once_one_does_the_work_and_the_other_waits_for_it(
    project: Project, notes: Path, command: Callable[[str], subprocess.Popen[str]]
) -> None:
    write(project, notes, WAITING)
    first = command("first")
    wait_for(lambda: lines(notes, "wait"))
    second = command("second")
    db = project.workspace.db.path.parent / "detent.db"
    wait_for(lambda: open_database(db).row("SELECT id FROM runs WHERE id = 'second'") is not None)
    with notes.open("a") as file:
        file.write("go 0\n")
    done, _ = first.communicate(timeout=60)
    waited, _ = second.communicate(timeout=60)
    assert '"outcomes": ["ran"]' in done
    assert '"outcomes": ["hit"]' in waited
    assert len(lines(notes, "wait")) == 1


def test_a_run_that_is_killed_leaves_no_lock_and_no_worker_behind(
    project: Project, notes: Path, command: Callable[[str], subprocess.Popen[str]]
) -> None:
    write(project, notes, WAITING)
    first = command("first")
    wait_for(lambda: lines(notes, "wait"))
    first.kill()
    first.wait()
    (worker,) = lines(notes, "wait")
    wait_for(lambda: gone(worker))
    with notes.open("a") as file:
        file.write("go 0\n")
    done, _ = command("second").communicate(timeout=60)
    assert '"outcomes": ["ran"]' in done


def test_a_run_without_work_starts_no_process_and_imports_no_heavy_library(
    project: Project, notes: Path, command: Callable[[str], subprocess.Popen[str]]
) -> None:
    write(project, notes, WAITING)
    notes.write_text("go 0\n")
    first, _ = command("first").communicate(timeout=60)
    assert '"outcomes": ["ran"]' in first
    second, _ = command("second").communicate(timeout=60)
    assert '"outcomes": ["hit"]' in second
    heavy = {"polars", "numpy", "pandas", "pyarrow", "sklearn", "lightgbm", "mlflow", "onnx", "pandera", "msgspec"}
    assert not heavy & set(json.loads(second)["modules"])
    assert len(lines(notes, "wait")) == 1
