"""Whether what a step read is unchanged, and at what price that is known."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from detent.pipeline.trace.reads import ABSENT, PRESENT, Memo, Read, digest_read, from_json, to_json, unchanged

KEY = b"project"


def read(kind: str, name: str, folder: Path) -> Read:
    return Read(kind=kind, name=name, digest=digest_read(kind, name, folder, key=KEY))


def age(path: Path, seconds: float) -> None:
    """Give a file a time of change in the past, as the file system allows it: of its content only."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_reads_survive_json(tmp_path: Path) -> None:
    reads = (Read(kind="file", name="a\udcff", digest="d"), Read(kind="env", name="X", digest=ABSENT))
    assert from_json(json.loads(json.dumps(to_json(reads)))) == reads


@pytest.mark.parametrize("kind", ["file", "folder", "import", "env"])
def test_the_first_read_that_changed_is_named(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept.txt").write_text("same")
    (tmp_path / "code.py").write_text("X = 1\n")
    (tmp_path / "data.csv").write_text("1")
    (tmp_path / "sub").mkdir()
    monkeypatch.setenv("SETTING", "1")
    names = {"file": "data.csv", "folder": "sub", "import": "code.py", "env": "SETTING"}
    reads = [read("file", "kept.txt", tmp_path), read(kind, names[kind], tmp_path)]
    assert unchanged(reads, tmp_path, key=KEY) is None
    (tmp_path / "data.csv").write_text("2")
    (tmp_path / "code.py").write_text("X = 2\n")
    (tmp_path / "sub" / "new").touch()
    monkeypatch.setenv("SETTING", "2")
    assert unchanged(reads, tmp_path, key=KEY) == reads[1]


def test_a_variable_that_is_unset_or_was_read_with_another_key_is_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SETTING", "1")
    one = read("env", "SETTING", tmp_path)
    assert unchanged([one], tmp_path, key=b"other") == one
    monkeypatch.delenv("SETTING")
    assert unchanged([one], tmp_path, key=KEY) == one
    none = read("env", "SETTING", tmp_path)
    assert none.digest == ABSENT
    assert unchanged([none], tmp_path, key=KEY) is None


def test_something_that_appears_or_disappears_is_a_change(tmp_path: Path) -> None:
    absent = Read(kind="file", name="a", digest=ABSENT)
    assert unchanged([absent], tmp_path) is None
    (tmp_path / "a").touch()
    assert unchanged([absent], tmp_path) == absent
    present = Read(kind="file", name="a", digest=PRESENT)
    (tmp_path / "a").write_text("what it holds does not matter")
    assert unchanged([present], tmp_path) is None
    (tmp_path / "a").unlink()
    assert unchanged([present], tmp_path) == present


def test_comments_docstrings_and_layout_of_executed_code_do_not_matter(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text('"""Old."""\ndef f(x):\n    "Doc."\n    return x + 1\n')
    one = read("import", "code.py", tmp_path)
    code.write_text('"""New."""\n\n\ndef f(x):  # adds\n    return (x + 1)\n')
    assert unchanged([one], tmp_path) is None
    code.write_text("def f(x):\n    return x + 2\n")
    assert unchanged([one], tmp_path) == one
    code.write_text("def f(x:\n")
    assert unchanged([one], tmp_path) == one


def test_compiled_python_in_a_folder_is_no_change_of_its_names(tmp_path: Path) -> None:
    listing = read("folder", ".", tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / ".detent").mkdir()
    assert unchanged([listing], tmp_path) is None
    (tmp_path / "b.csv").touch()
    assert unchanged([listing], tmp_path) == listing


def test_a_file_at_rest_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("1")
    memo = Memo()
    found = path.stat()
    moment = max(found.st_mtime_ns, found.st_ctime_ns)
    memo.keep("file", found, "wrong on purpose", moment + 3_000_000_000)
    assert digest_read("file", "data.csv", tmp_path, memo) == "wrong on purpose"
    assert (
        digest_read("file", "data.csv", tmp_path, Memo(dict(json.loads(json.dumps(memo.known))))) == "wrong on purpose"
    )
    path.write_text("2")
    assert digest_read("file", "data.csv", tmp_path, memo) != "wrong on purpose"


def test_a_file_that_changed_a_moment_ago_is_not_trusted_to_its_times(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("1")
    memo = Memo()
    before = digest_read("file", "data.csv", tmp_path, memo)
    assert memo.known == {}
    times = path.stat()
    path.write_text("2")  # same size
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert digest_read("file", "data.csv", tmp_path, memo) != before


def test_a_file_with_a_forged_time_is_not_trusted_either(tmp_path: Path) -> None:
    """The time of the inode's change can't be set back, so a copied or restored file counts as young."""
    path = tmp_path / "data.csv"
    path.write_text("1")
    age(path, 3600)
    memo = Memo()
    digest_read("file", "data.csv", tmp_path, memo)
    assert memo.known == {}


def test_kinds_of_one_file_do_not_share_a_digest(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text("X = 1\n")
    memo = Memo()
    memo.keep("file", path.stat(), "bytes", time.time_ns() + 10_000_000_000)
    assert digest_read("import", "code.py", tmp_path, memo) != "bytes"
