from __future__ import annotations

import os
import pickle
import py_compile
import shutil
import sys
from pathlib import Path

import pytest

from detent.errors import ProjectError
from detent.project.code import load_callable


def test_project_files_import_each_other(tmp_path: Path) -> None:
    (tmp_path / "words_a1.py").write_text("GREETING = 'hello'\n")
    (tmp_path / "main_a1.py").write_text("from words_a1 import GREETING\ndef greet():\n    return GREETING\n")
    assert load_callable("main_a1.py:greet", tmp_path)() == "hello"


@pytest.mark.parametrize(
    ("spec", "content", "words"),
    [
        ("stepz_b1.py:run", "def run(): ...", "not in the project folder"),
        ("../escape.py:run", "", "not in the project folder"),
        ("steps_b1.py:runn", "def run(): ...", "did you mean `run`"),
        ("steps_b1.py", "", "file.py:name"),
        ("steps_b1.py:run", "import nowhere_to_be_found\n", "ModuleNotFoundError"),
        ("steps_b1.py:run", "x = 1\ndef broken(:\n", "SyntaxError"),
    ],
)
def test_code_that_can_not_be_loaded_says_why(tmp_path: Path, spec: str, content: str, words: str) -> None:
    (tmp_path / "steps_b1.py").write_text(content)
    with pytest.raises(ProjectError) as caught:
        load_callable(spec, tmp_path)
    assert words in str(caught.value)


def test_an_import_error_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "steps_c1.py").write_text("x = 1\ny = x / 0\n")
    with pytest.raises(ProjectError) as caught:
        load_callable("steps_c1.py:run", tmp_path)
    assert caught.value.where is not None
    assert caught.value.where.line == 2


def test_nothing_is_executed_twice_while_no_file_changes(tmp_path: Path) -> None:
    (tmp_path / "words_d1.py").write_text("class Word: ...\n")
    (tmp_path / "main_d1.py").write_text("from words_d1 import Word\n")
    first = load_callable("main_d1.py:Word", tmp_path)
    (tmp_path / "main_d1.py").touch()
    assert load_callable("main_d1.py:Word", tmp_path) is first
    assert load_callable("words_d1.py:Word", tmp_path) is first


@pytest.mark.parametrize("edited", ["main_e1.py", "words_e1.py", "parts_e1/deep.py"])
def test_an_edited_file_is_imported_again_whoever_imports_it(tmp_path: Path, edited: str) -> None:
    (tmp_path / "parts_e1").mkdir()
    (tmp_path / "parts_e1" / "deep.py").write_text("THIRD = 'old'\n")
    (tmp_path / "words_e1.py").write_text("from parts_e1 import deep\nSECOND = 'old'\n")
    (tmp_path / "main_e1.py").write_text("import words_e1\nFIRST = 'old'\ndef said():\n    return WORDS\n"
        "WORDS = [FIRST, words_e1.SECOND, words_e1.deep.THIRD]\n")  # fmt: skip
    before = load_callable("main_e1.py:said", tmp_path)
    path = tmp_path / edited
    times = path.stat()
    path.write_text(path.read_text().replace("old", "new"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # same size, same time
    after = load_callable("main_e1.py:said", tmp_path)
    assert sorted(after()) == ["new", "old", "old"]
    assert before() == ["old"] * 3
    assert pickle.loads(pickle.dumps(after)) is after


def test_an_edit_below_a_package_that_another_project_had_too_is_seen_once_that_one_is_gone(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name / "parts_e2"
        folder.mkdir(parents=True)
        (folder / "deep.py").write_text(f"WORD = '{name}'\n")
        (tmp_path / name / "main_e2.py").write_text("from parts_e2 import deep\nWORD = deep.WORD\n")
    assert load_callable("main_e2.py:WORD", tmp_path / "one") == "one"
    shutil.rmtree(tmp_path / "one")
    assert load_callable("main_e2.py:WORD", tmp_path / "two") == "two"
    folder.joinpath("deep.py").write_text("WORD = 'new'\n")
    assert load_callable("main_e2.py:WORD", tmp_path / "two") == "new"


def test_a_file_that_was_added_after_the_first_import_is_found(tmp_path: Path) -> None:
    (tmp_path / "main_f1.py").write_text("WORD = 1\n")
    load_callable("main_f1.py:WORD", tmp_path)
    (tmp_path / "words_f1.py").write_text("WORD = 2\n")
    (tmp_path / "main_f1.py").write_text("from words_f1 import WORD\n")
    assert load_callable("main_f1.py:WORD", tmp_path) == 2


def test_an_edit_that_breaks_a_file_is_reported_until_it_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "main_g1.py"
    path.write_text("WORD = 1\n")
    load_callable("main_g1.py:WORD", tmp_path)
    path.write_text("WORD = 1 / 0\n")
    for _ in range(2):
        with pytest.raises(ProjectError, match="ZeroDivisionError"):
            load_callable("main_g1.py:WORD", tmp_path)
    path.write_text("WORD = 3\n")
    assert load_callable("main_g1.py:WORD", tmp_path) == 3


@pytest.mark.parametrize("stale", ["main_h1.py", "words_h1.py"])
def test_byte_code_of_an_earlier_source_is_not_executed(tmp_path: Path, stale: str) -> None:
    main = "from words_h1 import SECOND\nFIRST = 'new'\nWORDS = [FIRST, SECOND]\n"
    for name, text in (("words_h1.py", "SECOND = 'new'\n"), ("main_h1.py", main)):
        path = tmp_path / name
        if name == stale:
            path.write_text(text.replace("new", "old"))
            os.utime(path, (1_000_000_000, 1_000_000_000))
            py_compile.compile(str(path))
        path.write_text(text)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert load_callable("main_h1.py:WORDS", tmp_path) == ["new", "new"]


def test_two_projects_with_files_of_the_same_names_do_not_mix(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "parts_j1").mkdir(parents=True)
        (tmp_path / name / "parts_j1" / "deep.py").write_text(f"DEEP = '{name}'\n")
        (tmp_path / name / "words_j1.py").write_text(f"WORD = '{name}'\n")
        (tmp_path / name / "main_j1.py").write_text(
            "from parts_j1 import deep\nimport words_j1\nWORDS = [words_j1.WORD, deep.DEEP]\n"
        )
    for name in ("a", "b", "a"):
        assert load_callable("main_j1.py:WORDS", tmp_path / name) == [name, name]


def test_modules_of_the_python_that_runs_are_left_alone(tmp_path: Path) -> None:
    installed = tmp_path / ".venv" / "lib" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "library_i1.py").write_text("class Thing: ...\n")
    (tmp_path / "main_i1.py").write_text("WORD = 1\nfrom library_i1 import Thing\n")
    sys.path.append(str(installed))
    try:
        first = load_callable("main_i1.py:Thing", tmp_path)
        (tmp_path / "main_i1.py").write_text("WORD = 2\nfrom library_i1 import Thing\n")
        assert load_callable("main_i1.py:WORD", tmp_path) == 2
        assert load_callable("main_i1.py:Thing", tmp_path) is first
    finally:
        sys.path.remove(str(installed))
