"""`detent.testing.crash`: every call that changes a folder is seen, and the program stops before the chosen one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Do something below a folder, and say how it ended. `crash` forks, so it has a process without threads to itself.
SCRIPT = """
import json, os, sqlite3, subprocess, sys, time
from dataclasses import asdict
from pathlib import Path
from detent.testing.crash import crash, unsupported

folder = Path(sys.argv[1])

def act():
{action}

reason = unsupported()
print(json.dumps(reason or [asdict(crash(act, folder, **given)) for given in json.loads(sys.argv[2])]))
"""


def crashes(folder: Path, action: str, *given: dict[str, Any]) -> list[dict[str, Any]]:
    """Run an action once for each of these arguments of `crash`."""
    lines = "\n".join(f"    {line}" for line in action.strip().splitlines())
    command = [sys.executable, "-c", SCRIPT.format(action=lines), str(folder), json.dumps(given)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = json.loads(ended.stdout)
    if isinstance(said, str):
        pytest.skip(f"calls can't be counted here: {said}")
    return said


def calls(crash: dict[str, Any]) -> list[tuple[str, str]]:
    return [(operation["call"].removesuffix("at"), operation["path"]) for operation in crash["operations"]]


def test_calls_that_change_the_folder_are_counted_and_no_others(tmp_path: Path) -> None:
    action = """
(folder / "old").read_text()
print("to a pipe", file=sys.stderr)
Path(folder.parent, "beside").write_text("x")
os.mkdir(folder / "sub")
(folder / "sub" / "a").write_text("x")
os.rename(folder / "sub" / "a", folder / "b")
os.chdir(folder)
os.unlink("b")
"""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_text("x")
    (crash,) = crashes(tmp_path / "folder", action, {})
    assert (crash["killed"], crash["status"]) == (False, 0)
    wanted = [("mkdir", "sub"), ("open", "sub/a"), ("write", "sub/a"), ("rename", "b"), ("unlink", "b")]
    assert calls(crash) == wanted


def test_each_moment_leaves_the_calls_before_it_and_nothing_more(tmp_path: Path) -> None:
    action = "for name in 'abc': os.mkdir(folder / f'{name}{os.getppid()}')"
    for at, crash in enumerate(crashes(tmp_path, action, *({"at": at} for at in range(3)))):
        assert (crash["killed"], crash["status"]) == (True, -9)
        assert len(crash["operations"]) == at + 1
    made = sorted(path.name[0] for path in tmp_path.iterdir())
    assert made == ["a", "a", "b"]


def test_what_a_library_and_a_child_write_is_counted_too(tmp_path: Path) -> None:
    action = """
sqlite3.connect(folder / "db").execute("CREATE TABLE t (a)").connection.close()
subprocess.run(["cp", folder / "db", folder / "copy"], check=True)
"""
    (crash,) = crashes(tmp_path, action, {})
    assert ("fdatasync", "db") in calls(crash)
    assert "copy" in [path for _, path in calls(crash)]


TWO = """
child = os.fork()
if not child:
    os.setsid()
    (folder / "of the child").mkdir()
    (folder / "after it").mkdir()
    os._exit(0)
_, status = os.waitpid(child, 0)
(folder / "of the parent").mkdir()
sys.exit(status)
"""


def test_everything_dies_or_only_the_one_that_makes_the_call(tmp_path: Path) -> None:
    together, alone = crashes(tmp_path, TWO, {"at": 1}, {"at": 1, "alone": True})
    assert calls(together) == [("mkdir", "of the child"), ("mkdir", "after it")]
    assert together["status"] == -9
    assert calls(alone)[-1] == ("mkdir", "of the parent")
    assert alone["killed"]
    assert not (tmp_path / "after it").exists()


def test_a_program_that_raises_or_hangs_ends_with_a_status(tmp_path: Path) -> None:
    raised, hung = crashes(tmp_path, "1 / 0", {}, {})[0], crashes(tmp_path, "time.sleep(600)", {"seconds": 0.5})[0]
    assert (raised["status"], raised["killed"]) == (1, False)
    assert (hung["status"], hung["killed"]) == (-9, False)
