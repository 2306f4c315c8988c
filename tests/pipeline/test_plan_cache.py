"""The list of what decided a run: anything that changes on it makes the next run look for itself."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from detent.pipeline.plan_cache import Watched, import_folders, recall, remember
from detent.pipeline.seal import seal

KEY = b"k" * 32
ASKED = {"hermetic": False}


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "steps.py").write_text("A = 1\n")
    (tmp_path / "listed").mkdir()
    (tmp_path / "packages").mkdir()
    (tmp_path / "blob").write_bytes(b"result")
    monkeypatch.setenv("DETENT_TEST_MODE", "fast")
    monkeypatch.delenv("DETENT_TEST_UNSET", raising=False)
    return Watched(
        files=frozenset({str(tmp_path / "code" / "steps.py"), str(tmp_path / "absent.txt")}),
        folders=import_folders([tmp_path / "code" / "steps.py"], tmp_path / "code"),
        packages=frozenset({str(tmp_path / "packages")}),
        listings=frozenset({str(tmp_path / "listed")}),
        variables={"DETENT_TEST_MODE": seal("DETENT_TEST_MODE", "fast", KEY), "DETENT_TEST_UNSET": ""},
        outputs=(str(tmp_path / "blob"),),
        asked=ASKED,
        facts={"alias.changed": 3},
        until=None,
    )


def keep(tmp_path: Path, watched: Watched) -> Path:
    remember(tmp_path / "plan.json", watched, answer={"said": "nothing"}, read_at=time.time() + 1)
    return tmp_path / "plan.json"


def test_nothing_changed_gives_the_answer_back(tmp_path: Path, watched: Watched) -> None:
    plan = keep(tmp_path, watched)
    assert recall(plan, asked=ASKED, key=KEY) == ({"alias.changed": 3}, {"said": "nothing"})


def rewrite_in_place(path: Path) -> None:
    """Change the bytes, and make size and time of change what they were."""
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"1", b"2"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        lambda top: (top / "code" / "steps.py").write_text("A = 22\n"),
        lambda top: rewrite_in_place(top / "code" / "steps.py"),
        lambda top: (top / "code" / "steps.py").unlink(),
        lambda top: (top / "absent.txt").write_text("now it is there"),
        lambda top: (top / "code" / "json.py").write_text("# shadows the standard library"),
        lambda top: (top / "code" / "helpers").mkdir(),
        lambda top: (top / "packages" / "numpy-3.dist-info").mkdir(),
        lambda top: (top / "listed" / "more.csv").write_text("a"),
        lambda top: (top / "blob").unlink(),
        lambda top: (top / "blob").write_bytes(b"tamper"),
        lambda top: os.environ.update(DETENT_TEST_MODE="slow"),
        lambda top: os.environ.pop("DETENT_TEST_MODE"),
        lambda top: os.environ.__setitem__("DETENT_TEST_UNSET", "set"),
        lambda top: (top / "plan.json").write_text("{"),
        lambda top: (top / "plan.json").write_text(json.dumps({"format": "detent.plan.v0"})),
        lambda top: (top / "plan.json").unlink(),
    ],
)
def test_any_change_makes_the_run_look_for_itself(
    tmp_path: Path, watched: Watched, change: Callable[[Path], object]
) -> None:
    plan = keep(tmp_path, watched)
    assert recall(plan, asked=ASKED, key=KEY) is not None
    change(tmp_path)
    assert recall(plan, asked=ASKED, key=KEY) is None


def test_another_question_and_the_end_of_a_time_to_live_make_it_look(tmp_path: Path, watched: Watched) -> None:
    assert recall(keep(tmp_path, watched), asked={"hermetic": True}, key=KEY) is None
    assert recall(keep(tmp_path, replace(watched, until=time.time() - 1)), asked=ASKED, key=KEY) is None
    assert recall(keep(tmp_path, replace(watched, until=time.time() + 100)), asked=ASKED, key=KEY) is not None


def test_a_file_outside_the_folders_of_code_does_not_matter(tmp_path: Path, watched: Watched) -> None:
    plan = keep(tmp_path, watched)
    (tmp_path / "unrelated.csv").write_text("x")
    (tmp_path / "code" / "notes.txt").write_text("x")
    assert recall(plan, asked=ASKED, key=KEY) is not None


def test_a_socket_that_was_looked_at_is_a_file_without_content(tmp_path: Path, watched: Watched) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "listener"))
        plan = keep(tmp_path, replace(watched, files=frozenset({*watched.files, str(tmp_path / "listener")})))
        assert recall(plan, asked=ASKED, key=KEY) is not None


def test_a_file_that_was_edited_during_the_run_leaves_no_plan(tmp_path: Path, watched: Watched) -> None:
    began = time.time() - 100
    remember(tmp_path / "plan.json", watched, answer={}, read_at=began)
    assert not (tmp_path / "plan.json").exists()


def test_the_plan_holds_no_value_of_a_variable(tmp_path: Path, watched: Watched) -> None:
    assert "fast" not in keep(tmp_path, watched).read_text()
