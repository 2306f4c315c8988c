"""Where the kernel reports no calls: Python's own events, and names of files in the code. The tracer says so."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from trace_worker import Worker, reads

from detent.pipeline.trace.candidates import files_in, words_of

BYTES = b"a,b\n1,2\n"
DIGEST = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker("second") as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for name in ("q.csv", "data/a.csv", "data/b.csv"):
        (tmp_path / name).write_bytes(BYTES)
    return tmp_path


def test_the_tracer_says_what_it_can_not_see(worker: Worker) -> None:
    assert "audit hook" in worker.means
    assert "native libraries" in worker.means


@pytest.mark.parametrize(
    "code",
    [
        "open('q.csv').read()",
        "Path('q.csv').read_bytes()",
        "import pandas; pandas.read_csv('q.csv')",
        "import numpy; numpy.memmap('q.csv', mode='r')",
        "import sqlite3; sqlite3.connect('q.csv').close()",
        "import subprocess; subprocess.run(['cat', 'q.csv'], stdout=-3)",
    ],
)
def test_what_python_opens_is_seen(code: str, worker: Worker, folder: Path) -> None:
    assert reads(worker.step(code, folder))["q.csv"] == DIGEST


@pytest.mark.parametrize(
    "code",
    [
        "import polars; polars.scan_csv('q.csv').collect()",
        "import pyarrow.csv; pyarrow.csv.read_csv('q.csv')",
        *(["import duckdb; duckdb.sql(\"select * from 'q.csv'\").fetchall()"] if find_spec("duckdb") else []),
    ],
)
def test_files_that_the_code_names_are_taken_for_read(code: str, worker: Worker, folder: Path) -> None:
    assert reads(worker.step(code, folder, sources=[code]))["q.csv"] == DIGEST
    name = f"reader_{code.split()[1].partition('.')[0].strip(';')}"  # the worker lives on, with what it imported before
    (folder / f"{name}.py").write_text(f"def run():\n    {code}\n")
    assert reads(worker.step(f"from {name} import run; run()", folder))["q.csv"] == DIGEST


def test_a_module_whose_file_is_gone_by_the_end_of_the_step_stops_nobody(worker: Worker, folder: Path) -> None:
    (folder / "gone.py").write_text("X = 1\n")
    code = "import gone; Path('gone.py').unlink(); Path('q.csv').read_bytes()"
    answer = worker.step(code, folder)
    assert "gone.py" in str(answer)
    assert worker.step("open('q.csv').read()", folder)["error"] == ""


def test_made_files_probes_listings_and_writes_are_told_apart(worker: Worker, folder: Path) -> None:
    code = """
import os
Path('new').write_text('1'); Path('new').read_text()
try: open('missing')
except OSError: pass
os.listdir('data')
os.replace('new', 'final'); Path('final').read_text()
"""
    answer = worker.step(code, folder)
    assert reads(answer) == {"missing": ""}
    assert set(reads(answer, "folder")) == {"data"}
    assert answer["writes"] == ["final"]


def test_imports_are_named_and_not_listed(worker: Worker, folder: Path) -> None:
    (folder / "mine.py").write_text("X = 1\n")
    answer = worker.step("import mine", folder)
    assert set(reads(answer, "import")) == {"mine.py"}
    assert reads(answer, "file", "folder") == {}


def test_names_are_found_alone_in_sql_and_as_patterns(folder: Path) -> None:
    source = """
TABLE = "q.csv"
QUERY = f"select * from 'data/a.csv' join \\"q.csv\\" where x = 'q' limit {5}"
MANY = "data/*.csv"
NOTHING = ["*", "", "absent.csv", "a\\0b", "x" * 9, "data"]
"""
    files, folders = files_in(words_of([source, "no ( python"]), folder)
    assert {Path(file).relative_to(folder).as_posix() for file in files} == {"q.csv", "data/a.csv", "data/b.csv"}
    assert folders == {str(folder / "data")}
