"""Disks, databases, object stores and clocks that fail a run: a clear error, nothing wrong stored, and a way back."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pipeline_project import FixedClock, Project, outcomes, whys

from detent.errors import BusyError, StoreError
from detent.pipeline import store
from detent.pipeline.planner import stats_of
from detent.pipeline.trace import landlock

PROGRAM = Path(__file__).with_name("run_under.py")
STEPS = """
from detent.pipeline import pipeline, step

@step
def small() -> int:
    return 7

@step
def large(times: int) -> bytes:
    return bytes(range(256)) * 2000 * times

@step
def size(data: bytes) -> int:
    return len(data)

@pipeline
def flow():
    number = small()
    return {"small": number, "size": size(large(number))}
"""
RIGHT = {"small": 7, "size": 256 * 2000 * 7}
ALL = ["small", "large", "size"]

# Restrict this process, and what it becomes, to changing nothing but the folders that are named first.
READ_ONLY = """
import os, sys
from pathlib import Path
from detent.pipeline.trace import landlock
writable, command = sys.argv[1].split(":"), sys.argv[2:]
paths = [Path(path) for path in writable if path]
landlock.restrict(read=[Path("/")], write=[*landlock.presets().write, *paths], connect=True)
os.execv(command[0], command)
"""


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "steps.py").write_text(STEPS)
    return tmp_path


def under(top: Path, *runs: str, limit: str = "largest_file", before: tuple[str, ...] = ()) -> list[Any]:
    """Run the project, each time with a limit (`name=value`), and return what was said of each run."""
    command = [*before, sys.executable, str(PROGRAM), str(top), limit, *runs]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def under_one(top: Path, run: str, before: tuple[str, ...] = ()) -> Any:
    (said,) = under(top, run, before=before)
    return said


def bucket(top: Path, *rates: dict[str, float]) -> list[Any]:
    """Run the project on an object store, once for each of these rates of faults."""
    runs = [f"run-{number}={json.dumps(one)}" for number, one in enumerate(rates)]
    return under(top, *runs, limit="faulty_bucket")


def read_only(*writable: Path) -> tuple[str, ...]:
    if not landlock.supported():
        pytest.skip("this kernel has no Landlock")
    return sys.executable, "-c", READ_ONLY, ":".join(map(str, writable))


def assert_right(said: Any, **wanted: str) -> None:
    assert not said.get("raised"), said
    assert not said["errors"]
    assert said["values"] == RIGHT
    assert {name: said["outcomes"][name] for name in wanted} == wanted


def test_a_disk_that_is_full_for_one_result_fails_that_step_and_the_next_run_goes_on(top: Path) -> None:
    said = under_one(top, "first=1000000")
    assert said["outcomes"] == {"small": "ran", "large": "failed", "size": "skipped"}
    assert "free some disk space" in said["errors"][0]
    assert_right(under_one(top, "second"), small="hit", large="ran", size="ran")
    assert not [path for path in (top / "state" / "blobs" / ".new").rglob("*") if path.is_file()]


def test_a_disk_that_is_full_from_the_beginning_is_a_clear_error(top: Path) -> None:
    for said in under(top, "first=20000", "second=20000"):
        assert "free some disk space" in said["raised"]
    assert_right(under_one(top, "third"), small="ran")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_really_full_and_then_is_not(top: Path) -> None:
    (top / "state").mkdir()
    mount = f"mount -t tmpfs -o size=2m tmpfs {top}/state"
    if subprocess.run(["unshare", "--mount", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("this container mounts nothing")
    run = f"{sys.executable} {PROGRAM} {top} largest_file"
    script = f"{mount} && {run} first; mount -o remount,size=50m {top}/state && {run} second"
    ended = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=120)
    full, roomy = (json.loads(line) for line in ended.stdout.splitlines())
    assert full["outcomes"]["large"] == "failed", full
    assert "free some disk space" in full["errors"][0]
    assert_right(roomy, small="hit", large="ran")


def test_a_read_only_state_is_a_clear_error_and_a_writable_one_goes_on(top: Path) -> None:
    assert_right(under_one(top, "first"), small="ran")
    said = under_one(top, "second", before=read_only(Path("/dev/shm")))
    assert "store: " in said["raised"]
    assert "permissions" in said["raised"]
    assert_right(under_one(top, "third"), **dict.fromkeys(ALL, "hit"))


def test_a_read_only_blob_store_is_a_clear_error_too(top: Path) -> None:
    (top / "state").mkdir()
    (top / "elsewhere").mkdir()
    (top / "state" / "blobs").symlink_to(top / "elsewhere")
    assert_right(under_one(top, "first"), small="ran")
    (top / "project" / "steps.py").write_text(STEPS.replace("return 7", "return 3 + 4"))
    said = under_one(top, "second", before=read_only(top / "state"))
    assert "a blob can't be written" in said["raised"]
    assert "permissions" in said["raised"]
    assert_right(under_one(top, "third"), small="ran", large="hit", size="hit")


def test_an_object_store_that_stutters_is_no_reason_to_fail(top: Path) -> None:
    rates = {"timeout": 0.08, "late": 0.05, "stale": 0.05}
    first, second = bucket(top, {**rates, "seed": 5}, {**rates, "seed": 6})
    assert_right(first, small="ran")
    assert_right(second, **dict.fromkeys(ALL, "hit"))


def test_an_object_store_that_is_gone_is_a_clear_error_and_its_return_is_enough(top: Path) -> None:
    _, gone, back = bucket(top, {}, {"timeout": 1.0}, {})
    assert "check the address and the network" in gone["raised"]
    assert_right(back, **dict.fromkeys(ALL, "hit"))


def test_an_object_store_that_loses_and_alters_bytes_gives_no_wrong_result(top: Path) -> None:
    lying = {"truncate": 0.1, "alter": 0.08, "drop": 0.05}
    said = bucket(top, *({**lying, "seed": seed} for seed in range(6)), {}, {}, {}, {})
    for one in said[:6]:
        if not one.get("raised") and not one["errors"]:
            assert one["values"] == RIGHT
    assert_right(said[-2])
    assert_right(said[-1], **dict.fromkeys(ALL, "hit"))


@pytest.fixture
def steps(project: Project) -> Project:
    project.write(steps_under_test=STEPS)
    return project


def test_a_result_that_is_damaged_though_it_looks_as_it_did_is_made_anew_by_the_second_run(steps: Project) -> None:
    result = steps.run({})
    blobs, db = steps.workspace.blobs, steps.workspace.db
    damaged = result.outputs["small"]
    path = blobs.path(damaged.digest)
    path.chmod(0o644)
    path.write_bytes(b"8")
    row = next(row for row in result.run.steps if row.step == "small")
    (entry,) = store.entries_of(db, row.key)
    with db.transaction() as tx:
        store.set_stats(tx, entry, stats_of(entry.outputs, blobs))  # as when the disk has changed a bit by itself
    steps.write(steps_under_test=STEPS.replace("bytes(range(256))", "bytes(list(range(256)))"))
    broken = steps.run({})
    assert "is damaged" in str(broken.errors[0])
    mended = steps.run({})
    assert not mended.errors
    assert outcomes(mended) == {"small": "ran", "large": "ran", "size": "hit"}
    assert mended.value("small") == 7


def test_the_clock_may_jump_between_planning_and_commit_and_back(
    steps: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = steps.workspace.clock
    assert isinstance(clock, FixedClock)
    start = clock.moment
    executor_start = steps.executor.start

    def start_and_jump(task: Any) -> None:
        clock.moment += timedelta(days=400) if clock.moment <= start else timedelta(days=-800)
        executor_start(task)

    monkeypatch.setattr(steps.executor, "start", start_and_jump)
    assert set(outcomes(steps.run({})).values()) == {"ran"}
    clock.moment = start - timedelta(days=5000)
    assert set(outcomes(steps.run({})).values()) == {"hit"}


def test_a_result_from_the_future_is_not_valid_until_then(steps: Project) -> None:
    steps.write(steps_under_test=STEPS.replace("@step\ndef small", '@step(changes="ttl 6h")\ndef small'))
    clock = steps.workspace.clock
    assert isinstance(clock, FixedClock)
    clock.moment += timedelta(days=365)
    steps.run({})
    clock.moment -= timedelta(hours=5)
    assert outcomes(steps.run({}))["small"] == "hit"
    clock.moment -= timedelta(days=365)  # it was wrong for a while, and has been set right
    result = steps.run({})
    assert outcomes(result)["small"] == "ran"
    assert "ttl 6h" in whys(result)["small"]


@contextmanager
def locked(db: Path) -> Iterator[sqlite3.Connection]:
    """Hold the write lock from another connection."""
    other = sqlite3.connect(db, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other
    finally:
        if other.in_transaction:
            other.execute("ROLLBACK")
        other.close()


def test_a_database_that_another_process_keeps_is_a_clear_error_before_anything_ran(
    steps: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps.workspace.db, "_timeout", 0.2)
    steps.workspace.db.rows("PRAGMA busy_timeout = 200")
    with locked(steps.workspace.db.path), pytest.raises(BusyError, match="busy"):
        steps.run({})
    assert set(outcomes(steps.run({})).values()) == {"ran"}


SLOW = """
from pathlib import Path
import time
from detent.pipeline import pipeline, step

@step
def works() -> int:
    Path({at_work!r}).touch()
    while not Path({go!r}).exists():
        time.sleep(0.01)
    return 7

@pipeline
def flow():
    return works()
"""


def test_a_result_waits_for_a_database_that_is_locked_for_longer_than_usual(project: Project, tmp_path: Path) -> None:
    go, at_work = tmp_path / "go", tmp_path / "at work"
    project.write(steps_under_test=SLOW.format(at_work=str(at_work), go=str(go)))
    longer_than_usual = 6.5  # seconds
    with locked_while(project.workspace.db.path, at_work, go, longer_than_usual):
        result = project.run({})
    assert outcomes(result) == {"works": "ran"}


@contextmanager
def locked_while(db: Path, begin: Path, go: Path, seconds: float) -> Iterator[None]:
    """Once `begin` is there, lock the database, make `go`, and hold the lock for so long."""

    def hold() -> None:
        deadline = threading.Event()
        while not begin.exists():
            deadline.wait(0.01)
        with locked(db):
            go.touch()
            deadline.wait(seconds)

    holder = threading.Thread(target=hold)
    holder.start()
    yield
    holder.join()


def test_a_database_that_is_removed_during_a_run_is_noticed(steps: Project, tmp_path: Path) -> None:
    moved = tmp_path / "moved.db"
    rename = f"import os; os.rename({str(steps.workspace.db.path)!r}, {str(moved)!r})"
    steps.write(steps_under_test=STEPS.replace("return 7", f"{rename}; return 7"))
    with pytest.raises(StoreError, match="removed or replaced"):
        steps.run({})
