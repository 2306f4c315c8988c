"""A worker that imports what the steps will need while somebody else plans, and differs in nothing from others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_project import Project, outcomes

from detent.pipeline import LocalExecutor
from detent.pipeline.executors.protocol import Rehearsal
from detent.pipeline.rehearse import expected_variables, keep_variables

BODY = """
import os
from pathlib import Path
from detent.pipeline import pipeline, step

SETTING = os.environ.get("REHEARSED_SETTING", "none")
with Path({notes!r}).open("a") as file:
    file.write(f"{{os.getpid()}}\\n")
{extra}

@step
def one(number: int) -> str:
    return f"{{os.getpid()}} {{SETTING}} {version}"

@pipeline
def flow(number=0):
    return {{"one": one(number)}}
"""


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    """One of the test's own: the first task goes to whoever rehearsed."""
    with LocalExecutor(workers=1) as executor:
        yield executor


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Path]:
    path = Path("/dev/shm") / f"detent-rehearsal-{os.getpid()}-{tmp_path.name}"
    yield path
    path.unlink(missing_ok=True)


def write(project: Project, notes: Path, *, version: str = "v1", extra: str = "") -> None:
    project.write(steps_under_test=BODY.format(notes=str(notes), version=version, extra=extra))


def rehearse(project: Project, executor: LocalExecutor, **variables: str) -> None:
    executor.rehearse(Rehearsal(address=project.workspace.address, variables=variables))


def answer(project: Project, number: int) -> tuple[int, str, str]:
    """Run, and return the process, the setting and the version that the step saw."""
    process, setting, version = project.run({}, params={"number": number}).value("one").split()
    return int(process), setting, version


def imports(notes: Path) -> list[int]:
    """Return the other processes that have imported the module, in order."""
    processes = [int(line) for line in notes.read_text().splitlines()]
    return [process for process in processes if process != os.getpid()]


def wait_for_import(executor: LocalExecutor, notes: Path) -> None:
    while not imports(notes):
        assert executor._workers[0].process.is_alive()


def begin_anew(project: Project) -> LocalExecutor:
    """Stand for the next command: the workers of the last one are gone."""
    project.executor.close()
    project.executor = LocalExecutor(workers=1)
    return project.executor


def test_the_first_task_goes_to_the_worker_that_has_imported_it_already(project: Project, notes: Path) -> None:
    write(project, notes)
    answer(project, 1)
    notes.write_text("")
    with begin_anew(project) as executor:
        rehearse(project, executor)
        process, setting, _ = answer(project, 2)
        assert imports(notes) == [process]
        assert setting == "none"
        assert outcomes(project.run({}, params={"number": 2})) == {"one": "hit"}


def test_what_was_edited_after_a_rehearsal_is_executed_as_it_is_now(project: Project, notes: Path) -> None:
    write(project, notes)
    answer(project, 1)
    notes.write_text("")
    with begin_anew(project) as executor:
        rehearse(project, executor)
        wait_for_import(executor, notes)
        write(project, notes, version="v2")
        assert answer(project, 1)[2] == "v2"


def test_a_variable_that_changed_since_a_rehearsal_is_seen_by_the_step(
    project: Project, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, notes)
    answer(project, 1)
    notes.write_text("")
    with begin_anew(project) as executor:
        rehearse(project, executor)
        monkeypatch.setenv("REHEARSED_SETTING", "later")
        process, setting, _ = answer(project, 2)
        assert setting == "later"
        assert imports(notes)[-1] == process
        assert len(imports(notes)) == 2  # one in vain
        assert outcomes(project.run({}, params={"number": 2})) == {"one": "hit"}


def test_a_rehearsal_that_fails_harms_nobody(project: Project, notes: Path) -> None:
    write(project, notes)
    answer(project, 1)
    notes.write_text("")
    write(project, notes, version="v2", extra="raise SystemExit(3)")
    with begin_anew(project) as executor:
        rehearse(project, executor)
        wait_for_import(executor, notes)
        write(project, notes, version="v3")
        assert answer(project, 1)[2] == "v3"


def test_a_rehearsal_before_the_first_run_finds_nothing_to_import(
    project: Project, notes: Path, executor: LocalExecutor
) -> None:
    project.executor = executor
    write(project, notes)
    rehearse(project, executor)
    process, _, _ = answer(project, 1)
    assert imports(notes) == [process]


def test_a_step_with_a_timeout_does_not_wait_for_a_rehearsal(project: Project, notes: Path) -> None:
    write(project, notes)
    body = (project.workspace.folder / "steps_under_test.py").read_text().replace("@step\n", "@step(timeout=60)\n")
    project.write(steps_under_test=body)
    answer(project, 1)
    notes.write_text("")
    with begin_anew(project) as executor:
        rehearse(project, executor)
        first = executor._workers[0].process.pid
        process, _, _ = answer(project, 2)
        assert process != first


SETTER = 'os.environ.setdefault("REHEARSED_SWITCH", "True")'


def test_variables_that_imports_set_are_expected_the_next_time(
    project: Project, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REHEARSED_SWITCH", raising=False)
    write(project, notes, extra=SETTER)
    answer(project, 1)  # it is set in this process from now on, as in every command that plans
    keep_variables(project.workspace.state, ["REHEARSED_SWITCH"])
    notes.write_text("")
    expected = expected_variables(project.workspace.state)
    with begin_anew(project) as executor:
        monkeypatch.delenv("REHEARSED_SWITCH")
        rehearse(project, executor, **expected)
        process, _, _ = answer(project, 2)
        assert imports(notes) == [process]
        assert outcomes(project.run({}, params={"number": 2})) == {"one": "hit"}


def test_only_switches_and_small_numbers_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"ONE_SWITCH": "FALSE", "ONE_NUMBER": "16"}
    for name, value in {**kept, "ONE_TOKEN": "s3cr3t", "ONE_KEY": "81723648172364", "ONE_EMPTY": ""}.items():
        monkeypatch.setenv(name, value)
    assert expected_variables(tmp_path) == {}
    keep_variables(tmp_path, ["ONE_SWITCH", "ONE_NUMBER", "ONE_TOKEN", "ONE_KEY", "ONE_EMPTY", "ONE_ABSENT"])
    assert expected_variables(tmp_path) == kept
    (tmp_path / "rehearsal.json").write_bytes(b'["no mapping"')
    assert expected_variables(tmp_path) == {}
