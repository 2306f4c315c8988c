from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from detent.errors import BusyError, DataError, MissingExtraError
from detent.store.environments import Tool, ask, install, python_of
from detent.store.lock import held_lock

# What every environment has already, so nothing is fetched.
TOOL = Tool(name="Pip", folder="pip-1", requirements=("pip",), megabytes=20, variables={"PIP_COLOUR": "red"})
ANSWERING = """
import json, os, sys
told = json.load(open(sys.argv[1]))
json.dump({"told": told, "environment": dict(os.environ), "path": sys.path}, open(sys.argv[2], "w"))
"""


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environments")
    install(TOOL, folder)
    return folder


def answer(environments: Path, work: Path, script: str, **more: float) -> dict:
    python, runner = python_of(TOOL, environments), work / "runner.py"
    assert python is not None
    runner.write_text(script)
    return ask(TOOL, python, runner, {"rows": "a.parquet"}, work=work, fix="mend it", **more)


def test_a_tool_is_told_and_answers_and_nothing_of_ours_reaches_it(
    environments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = answer(environments, tmp_path, ANSWERING)
    assert found["told"] == {"rows": "a.parquet"}
    assert found["environment"]["PIP_COLOUR"] == "red"
    assert found["environment"]["HOME"] == str(tmp_path)
    assert not {"DATABASE_PASSWORD", "PYTHONPATH"} & found["environment"].keys()
    assert str(tmp_path) not in found["path"]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("raise ValueError('no such column')", "ValueError: no such column"),
        ("print('nothing to say')", "nothing to say"),
        ("", "it gave no reason"),
        ("import signal; signal.pause()", "it ran for more than 0.5 seconds"),
    ],
)
def test_a_tool_that_gives_no_answer_is_an_error_that_says_why(
    environments: Path, tmp_path: Path, script: str, why: str
) -> None:
    with pytest.raises(DataError, match="Pip gave no answer") as caught:
        answer(environments, tmp_path, script, timeout=0.5 if "pause" in script else 60.0)
    assert caught.value.why == why
    assert caught.value.fix == "mend it"


def test_what_is_complete_is_left_as_it_is(environments: Path) -> None:
    marked = environments / TOOL.folder / "marked"
    marked.touch()
    assert install(TOOL, environments) == python_of(TOOL, environments)
    assert marked.exists()


def test_what_cannot_be_installed_is_said_and_does_not_count_as_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # as if there were no network
    with pytest.raises(MissingExtraError, match="environment of Pip can't be made") as caught:
        install(replace(TOOL, requirements=("no-such-package==1.0",)), tmp_path)
    assert "no-such-package" in caught.value.why
    assert "PyPI can be reached" in caught.value.fix
    assert python_of(TOOL, tmp_path) is None


def test_two_cannot_make_it_at_once(tmp_path: Path) -> None:
    with (
        held_lock(tmp_path / "pip-1.lock", what="", why="{pid}", fix=""),
        pytest.raises(BusyError, match="is being made") as caught,
    ):
        install(TOOL, tmp_path)
    assert str(os.getpid()) in caught.value.why
