from __future__ import annotations

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
