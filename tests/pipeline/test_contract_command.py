"""`python -m detent.exec`: what it prints, what it leaves in the tables, and what its exit status says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pipeline_project import forget

from detent.pipeline import Workspace, store
from detent.pipeline.bundle_code import bundle_code
from detent.pipeline.contract import CONFIGURATION, OK, RETRY, USER_ERROR
from detent.pipeline.document import Document, store_document
from detent.pipeline.executors.messages import outcome_from_json, outcome_to_json
from detent.pipeline.executors.protocol import Done, Outcome, Raised
from detent.pipeline.graph import build
from detent.project.code import load_callable
from detent.records.run import Run
from detent.store.blobs import open_blobs
from detent.store.clock import SystemClock
from detent.store.database import open_database
from detent.store.migrate import migrate

STEPS = """
import atexit, os, sys, time
from pathlib import Path
from detent.pipeline import pipeline, secret, step, when

def did(name):
    with Path(DID).open("a") as file:
        file.write(name + " " + str(os.getpid()) + chr(10))

@step
def numbers() -> list[int]:
    did("numbers")
    print("this goes to the log")
    atexit.register(print, "this comes at the very end")
    return [1, 2, 3, 4, 5]

@step
def square(number: int) -> int:
    did(f"square{number}")
    return number * number

@step
def total(squares: list[int]) -> int:
    return sum(squares)

@step
def wrong(number: int) -> int:
    raise ValueError("there is no such number")

@step(retry_on=[LookupError])
def gone(number: int) -> int:
    raise KeyError("nobody is there")

@step
def after(number: int) -> int:
    return number

@step(secrets=["EXEC_TEST_TOKEN"])
def guarded() -> int:
    return len(secret("EXEC_TEST_TOKEN").reveal())

@step
def odd(squares: int) -> bool:
    return squares % 2 == 1

@step
def never() -> int:
    return 0

@step
def waits() -> int:
    did("waits")
    while True:
        time.sleep(0.05)

@pipeline
def flow(one=1):
    sum_of = total(square.map(number=numbers())())
    broken = wrong(one)
    gone(one), guarded(), waits(), after(broken)
    with when(odd(sum_of), equals=False):
        unneeded = never()
    return {"total": sum_of, "unneeded": unneeded}
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command came to."""

    status: int
    outcomes: list[Outcome]
    complained: str  # standard error


@dataclass
class Store:
    """A project whose run has been begun, and none of whose steps has been executed."""

    workspace: Workspace
    graph: str
    did: Path
    runs: int = 0

    def begin(self) -> str:
        """Begin one more run and return its id."""
        self.runs += 1
        begun = Run(
            id=f"run-{self.runs}", pipeline="flow", started_at="2026-01-01T00:00:00Z", steps=(), state="running",
            graph=self.graph,
        )  # fmt: skip
        with self.workspace.db.transaction() as tx:
            store.begin_run(tx, begun, {})
        return begun.id

    def command(self, step: str, *options: str, run: str = "run-1", graph: str = "") -> list[str]:
        given = ["--graph", graph or self.graph, "--run", run, "--step", step]
        return [sys.executable, "-m", "detent.exec", *given, *options]

    def execute(self, step: str, *options: str, **named: str) -> Said:
        """Run the command in a folder that is not the project's."""
        return self.start(step, *options, **named)()

    def start(self, step: str, *options: str, **named: str) -> Callable[[], Said]:
        """Start the command; return how to wait for what it says."""
        process = subprocess.Popen(
            self.command(step, *options, **named), cwd=self.workspace.state, env=self.variables, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

        def said() -> Said:
            printed, complained = process.communicate(timeout=100)
            outcomes = [outcome_from_json(json.loads(line)) for line in printed.splitlines()]
            assert [json.dumps(outcome_to_json(one)) for one in outcomes] == printed.splitlines()
            return Said(process.returncode, outcomes, complained)

        return said

    @property
    def variables(self) -> dict[str, str]:
        return {**os.environ, "DETENT_STORE": str(self.workspace.state)}

    def rows(self, run: str = "run-1") -> dict[str, str]:
        """Return outcomes by label, as the tables say."""
        found = store.load_run(self.workspace.db, run)
        assert found is not None
        return {row.label: row.outcome for row in found.steps}

    def times(self, name: str) -> int:
        return [line.split()[0] for line in self.did.read_text().splitlines()].count(name) if self.did.exists() else 0


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    top = tmp_path_factory.mktemp("contract")
    (top / "project").mkdir()
    did = top / "did"
    (top / "project" / "steps_of_exec.py").write_text(STEPS.replace("DID", repr(str(did))))
    db = open_database(top / "state" / "detent.db")
    migrate(db, ["detent.store", "detent.pipeline"])
    blobs = open_blobs(str(top / "state" / "blobs"))
    workspace = Workspace(folder=top / "project", state=top / "state", blobs=blobs, db=db, clock=SystemClock())
    path = list(sys.path)
    flow = load_callable("steps_of_exec.py:flow", workspace.folder)
    graph = build(flow, inputs=(), params={}, folder=workspace.folder)
    document = Document(graph=graph, bundle=bundle_code(graph, workspace))
    begun = Store(workspace, store_document(document, blobs), did)
    begun.begin()
    yield begun
    db.close()
    sys.path[:] = path
    forget(workspace.folder)


@pytest.fixture(scope="module")
def listed(begun: Store) -> Store:
    """The store after its first step."""
    said = begun.execute("numbers")
    assert said.status == OK, said.complained
    return begun


def only(said: Said) -> Outcome:
    (outcome,) = said.outcomes
    return outcome


def done(said: Said) -> list[str]:
    """Return the outcomes of a command that went well."""
    assert said.status == OK, said.complained
    return [one.step_run.outcome for one in said.outcomes if isinstance(one, Done)]


def error(said: Said) -> str:
    """Return what a command that failed says."""
    outcome = only(said)
    assert isinstance(outcome, Raised)
    return f"{outcome.kind}: {outcome.error or outcome.message}"


def test_a_step_runs_once_and_is_a_hit_in_the_next_run_with_one_line_of_json_each(listed: Store) -> None:
    assert listed.rows()["numbers"] == "ran"
    second = listed.begin()
    assert done(listed.execute("numbers", run=second)) == ["hit"]
    assert listed.times("numbers") == 1
    assert listed.rows(second)["numbers"] == "hit"


def test_the_shares_of_a_fan_out_cover_each_item_once(listed: Store) -> None:
    at_once = [listed.start("square", "--shard", f"{share}/2") for share in range(2)]
    assert [done(said()) for said in at_once] == [["ran"] * 3, ["ran"] * 2]
    assert [listed.times(f"square{number}") for number in range(1, 6)] == [1] * 5
    assert done(listed.execute("square")) == ["hit"] * 5, "all of them, when nothing is said"
    assert done(listed.execute("total")) == ["ran"]


def test_a_step_before_its_time_is_refused_with_a_sentence_and_nothing_is_written(listed: Store) -> None:
    run = listed.begin()
    said = listed.execute("total", run=run)
    assert said.status == CONFIGURATION
    assert "`total` can't run yet" in said.complained
    assert "in its order" in said.complained
    assert listed.rows(run) == {}, "a row would say that it failed, and skip what follows"


def test_an_error_of_the_step_is_70_and_what_follows_is_skipped(begun: Store) -> None:
    said = begun.execute("wrong")
    assert said.status == USER_ERROR
    assert "ValueError: there is no such number" in error(said)
    assert "there is no such number" in said.complained
    assert begun.rows()["wrong"] == "failed"
    assert done(begun.execute("after")) == ["skipped"]


def test_an_error_of_retry_on_is_75(begun: Store) -> None:
    assert begun.execute("gone", "--attempt", "2").status == RETRY
    rows = begun.workspace.db.rows("SELECT number, outcome FROM attempts WHERE step = 'gone'")
    assert rows == [{"number": 2, "outcome": "failed"}]


def test_a_missing_secret_is_78_and_a_given_one_is_read(begun: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    said = begun.execute("guarded")
    assert said.status == CONFIGURATION
    assert "`EXEC_TEST_TOKEN` is not set" in said.complained
    monkeypatch.setenv("EXEC_TEST_TOKEN", "t0ken")
    assert done(begun.execute("guarded")) == ["ran"], "the failed row is replaced"
    assert begun.rows()["guarded"] == "ran"
    assert done(begun.execute("guarded", "--force", "--hermetic")) == ["ran"], "it is declared"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"step": "nubmers"}, "did you mean `numbers`"),
        ({"run": "run-99"}, "there is no run run-99"),
        ({"graph": "0" * 64}, "is missing"),
    ],
)
def test_what_does_not_exist_is_78_with_a_sentence(begun: Store, change: dict[str, str], text: str) -> None:
    given = {"step": "numbers", **change}
    said = begun.execute(given.pop("step"), **given)
    assert said.status == CONFIGURATION
    assert text in said.complained
    assert "Traceback" not in said.complained


def test_a_damaged_graph_document_is_78(begun: Store) -> None:
    blobs = begun.workspace.blobs
    other = blobs.put(blobs.get(begun.graph).replace(b'"flow"', b'"FLOW"'))
    place = blobs.path(other)
    place.chmod(0o644)
    place.write_bytes(place.read_bytes()[:-7])
    said = begun.execute("numbers", graph=other)
    assert said.status == CONFIGURATION
    assert "Traceback" not in said.complained
    blobs.delete(other)
    no_graph = blobs.put(b'{"format": "something else"}')
    said = begun.execute("numbers", graph=no_graph)
    assert said.status == CONFIGURATION
    assert "no graph document" in said.complained


def test_a_missing_store_is_78_and_is_not_made(begun: Store, tmp_path: Path) -> None:
    said = begun.execute("numbers", "--store", str(tmp_path / "nowhere"))
    assert said.status == CONFIGURATION
    assert "DETENT_STORE" in said.complained
    assert not (tmp_path / "nowhere").exists()


def test_a_share_that_is_none_is_a_wrong_command_line(begun: Store) -> None:
    for share in ("2/2", "-1/x"):
        assert begun.execute("square", "--shard", share).status == 2


def test_the_database_may_lie_elsewhere(listed: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.db"
    copy = open_database(listed.workspace.db.path)
    with copy.transaction():
        pass
    copy.rows(f"VACUUM INTO '{moved}'")
    copy.close()
    monkeypatch.setenv("DETENT_DB", str(moved))
    assert listed.execute("numbers", run=listed.begin()).status == CONFIGURATION, "that one does not know the run"
    assert done(listed.execute("numbers")) == ["hit"]


def test_the_stored_code_is_executed_whatever_became_of_the_working_copy(listed: Store) -> None:
    run = listed.begin()
    assert done(listed.execute("numbers", run=run)) == ["hit"]
    working = listed.workspace.folder / "steps_of_exec.py"
    text = working.read_text()
    try:
        working.write_text(text.replace("number * number", "number * 1000"))
        assert done(listed.execute("square", "--force", run=run)) == ["ran"] * 5
        outcome = only(listed.execute("total", run=run))
        assert isinstance(outcome, Done)
        assert listed.workspace.blobs.get(outcome.outputs[0][1].digest) == b"55"
        code = str(listed.workspace.folder)
        assert done(listed.execute("square", "--code", code, run=run)) == ["ran"] * 5, "unless it is asked for"
    finally:
        working.write_text(text)


def test_an_attached_command_ends_when_its_starter_is_gone(begun: Store) -> None:
    process = subprocess.Popen(
        begun.command("waits", "--attached"), env=begun.variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        wait_for(lambda: begun.times("waits") == 1)
        assert process.poll() is None
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=30) == 130
    finally:
        process.kill()
    again = subprocess.Popen(begun.command("waits"), env=begun.variables, stdout=subprocess.PIPE)
    wait_for(lambda: begun.times("waits") == 2)  # nobody waits for the lease of the dead one
    again.send_signal(signal.SIGKILL)
    again.wait()


def test_an_attached_command_can_be_hermetic(listed: Store) -> None:
    theirs, ours = os.pipe()
    process = subprocess.Popen(
        listed.command("numbers", "--attached", "--hermetic", "--force"), env=listed.variables, stdin=theirs,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    _, complained = process.communicate(timeout=60)
    os.close(theirs)
    os.close(ours)
    assert process.returncode == USER_ERROR, complained
    assert "Permission denied" in complained
    assert str(listed.did) in complained  # which it does not declare


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
