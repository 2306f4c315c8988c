"""Steps that do what they should not: a clear error, and nothing else comes to harm."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_project import Project, outcomes

from detent.pipeline import LocalExecutor

HEAD = """
import asyncio, ctypes, os, subprocess, sys, threading
from pathlib import Path
from typing import NamedTuple
import polars as pl
from detent.pipeline import pipeline, step
"""
FLOW = """
@step
def first() -> object:
    {first}

@step
def second() -> object:
    print("a step after it, in the same process")
    {second}

@step
def follows(one: object) -> object:
    return one

@pipeline
def flow():
    one = first()
    return dict(first=one, second=second(), follows=follows(one))
"""


@pytest.fixture(scope="module")
def one_worker() -> Iterator[LocalExecutor]:
    with LocalExecutor(1) as pool:
        yield pool


@pytest.fixture
def alone(project: Project, one_worker: LocalExecutor) -> Project:
    """A project whose steps run one after the other in one process."""
    project.executor = one_worker
    return project


def write(project: Project, first: str, second: str = "return 2") -> None:
    project.write(steps_under_test=HEAD + FLOW.format(first=first, second=second))


HARMLESS = [  # what the first step does; what the second one does and returns
    ("sys.stdout.close(); return 1", "return 2", 2),
    ("sys.stdout = None; return 1", "return 2", 2),
    ("os.close(1); os.close(2); return 1", "return 2", 2),
    ('open(b"\\xff.txt", "w").write("x"); return open(b"\\xff.txt").read()', "return 2", 2),
    ('os.chdir("/"); return 1', "return Path.cwd().name", "project"),
    ('os.environ["LEAKED"] = "1"; return 1', 'return os.environ.get("LEAKED", "")', ""),
    ("os.umask(0o777); return 1", "return 2", 2),
    ('subprocess.Popen(["sleep", "600"]); return 1', "return 2", 2),
    ("threading.Thread(target=threading.Event().wait, daemon=True).start(); return 1", "return 2", 2),
    ("return sys.stdin.read()", "return 2", 2),
]


@pytest.mark.parametrize(("first", "second", "value"), HARMLESS)
def test_what_a_step_leaves_behind_does_not_reach_the_next_one(
    alone: Project, first: str, second: str, value: object
) -> None:
    write(alone, first, second)
    result = alone.run({})
    assert not result.errors
    assert result.value("second") == value
    assert set(outcomes(alone.run({})).values()) == {"hit"}


HARMFUL = [  # what the first step does; what its error says
    ("sys.exit(0)", "sys.exit(0)"),
    ('sys.exit("no rows today")', "no rows today"),
    ("return (lambda f: f(f))(lambda f: f(f))", "RecursionError"),
    ("ctypes.string_at(0)", "a library below Python crashed"),
    ("os.abort()", "SIGABRT"),
    ("os._exit(0)", "ended the process"),
    ("os.kill(os.getpid(), 9)", "often the system is out of memory"),
    ("raise asyncio.CancelledError", "CancelledError"),
    ('raise type("Stop", (BaseException,), {})("enough")', "Stop: enough"),
    ('raise type("Bad", (Exception,), {"__str__": lambda self: 1 / 0})', "Bad: (making its text raised"),
    ('raise type("Bad", (Exception,), {"__reduce__": lambda self: 1 / 0})("it")', "Bad: it"),
    ('raise ValueError("x" * 10**7)', "ValueError: xxx"),
    ('raise ValueError("\\udc80 is no text")', "is no text"),
    ('return "\\udc80"', "can't be stored"),
    ("return (number for number in range(3))", "can't be stored"),
    ('return type("Lazy", (), {"__getattr__": lambda self, name: 1 / 0})()', "can't be stored"),
    ('return Path("/nowhere/at/all")', "nothing is there"),
    ("Path(__file__).unlink(); return 1", "was edited while"),
]


@pytest.mark.parametrize(("first", "text"), HARMFUL)
def test_a_step_that_breaks_off_says_how_and_leaves_the_others_alone(alone: Project, first: str, text: str) -> None:
    write(alone, first)
    result = alone.run({})
    assert outcomes(result)["first"] == "failed"
    assert outcomes(result)["follows"] == "skipped"
    assert text in str(result.errors[0])
    assert len(str(result.errors[0])) < 6000
    if "unlink" not in first:
        assert outcomes(result)["second"] == "ran"


def test_a_step_that_removes_the_project_folder_is_named_and_so_is_what_is_missing(alone: Project) -> None:
    write(alone, "import shutil; shutil.rmtree(Path(__file__).parent); return 1")
    errors = [str(error) for error in alone.run({}).errors]
    assert "was edited while step `first` ran" in errors[0]
    assert "the project folder can't be entered" in errors[1]


def test_a_step_that_uses_up_all_descriptors_takes_none_from_the_next_one(project: Project) -> None:
    keep = "sys.kept = []\n    while True: sys.kept.append(open(os.devnull))"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))\n    "
    write(project, limit + keep)
    with LocalExecutor(1) as project.executor:
        result = project.run({})
    assert "Too many open files" in str(result.errors[0])
    assert outcomes(result)["second"] == "ran"


def test_a_worker_with_many_files_left_open_is_replaced(project: Project) -> None:
    keep = "import resource; many = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2\n    "
    keep += "sys.kept = [os.dup(0) for _ in range(many)]; return os.getpid()"
    write(project, keep, "return os.getpid()")
    with LocalExecutor(1) as project.executor:
        result = project.run({})
    assert result.value("first") != result.value("second")


def test_what_a_step_started_ends_with_the_pool(project: Project) -> None:
    write(project, 'return subprocess.Popen(["sleep", "600"]).pid')
    with LocalExecutor(1) as project.executor:
        pid = project.run({}).value("first")
        assert Path(f"/proc/{pid}").exists()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline


PATHS = """
@step
def made() -> Path:
    Path("made.txt").write_text("as it was")
    return Path("made.txt")

@step
def harms(given: Path) -> int:
    {harm}
    return 1

@step
def reads(given: Path, after: int) -> str:
    return given.read_text()

@pipeline
def flow():
    path = made()
    return reads(path, harms(path))
"""


def test_a_step_may_remove_its_input(project: Project) -> None:
    project.write(steps_under_test=HEAD + PATHS.format(harm="given.unlink()"))
    assert project.run({}).value("result") == "as it was"


@pytest.mark.parametrize("harm", ["given.chmod(0o644); given.write_text('other')", "BLOBS"])
def test_a_step_that_harms_the_store_is_noticed_and_the_next_run_makes_it_anew(project: Project, harm: str) -> None:
    blobs = project.workspace.state / "blobs"
    everything = f"[path.unlink() for path in Path({str(blobs)!r}).glob('??/*')]"
    project.write(steps_under_test=HEAD + PATHS.format(harm=harm.replace("BLOBS", everything)))
    result = project.run({})
    if result.errors:  # the input may have been a copy
        assert "is damaged" in str(result.errors[0]) or "is missing" in str(result.errors[0])
        result = project.run({})
    assert result.value("result") == "as it was"
    project.write(steps_under_test=HEAD + PATHS.format(harm="pass"))
    assert project.run({}).value("result") == "as it was"
    assert all(project.workspace.blobs.is_whole(name) for name in project.workspace.blobs.names())
