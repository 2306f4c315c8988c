"""What an undeclared read meets in a restricted process, whoever tries it, and that declared ones still work."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from trace_worker import SOURCES, Worker

from detent.errors import DetentError, StepError
from detent.pipeline.trace import landlock

NEEDED = 3
pytestmark = pytest.mark.skipif(
    landlock.supported() < NEEDED, reason=f"Landlock {landlock.supported()}, and these tests need {NEEDED}"
)
RESTRICT = """
p = landlock.presets()
here = [Path(path) for path in {here!r}]
limits = landlock.restrict(
    read=[*p.read, Path('open'), *here], write=[*p.write, Path('out')], connect={connect}, list_only=[Path('names')]
)
"""
FILE = "{folder}/q.csv"
READERS = {
    "open": "open('{folder}/q.csv').read()",
    "os.open": "import os; os.open('{folder}/q.csv', os.O_RDONLY)",
    "the pandas C parser": "import pandas; pandas.read_csv('{folder}/q.csv')",
    "polars read_csv": "import polars; polars.read_csv('{folder}/q.csv')",
    "polars scan_csv": "import polars; polars.scan_csv('{folder}/q.csv').collect()",
    "polars scan_parquet": "import polars; polars.scan_parquet('{folder}/q.parquet').collect()",
    "polars with a pattern": "import polars; polars.scan_parquet('{folder}/*.parquet').collect()",
    "pyarrow csv": "import pyarrow.csv; pyarrow.csv.read_csv('{folder}/q.csv')",
    "pyarrow parquet": "import pyarrow.parquet; pyarrow.parquet.read_table('{folder}/q.parquet')",
    "sqlite": "import sqlite3; sqlite3.connect('file:{folder}/q.db?mode=ro', uri=True).execute('select * from t')",
    "a memmap": "import numpy; numpy.memmap('{folder}/q.csv', mode='r')",
    "the C library": "import ctypes; c = ctypes.CDLL(None); assert c.fopen(b'{folder}/q.csv', b'r'), 'no file'",
    "a listing": "import os; os.listdir('{folder}')",
    "cat": "import subprocess; subprocess.run(['cat', '{folder}/q.csv'], check=True, capture_output=True)",
    "head": "import subprocess; subprocess.run(['head', '{folder}/q.csv'], check=True, capture_output=True)",
    "a shell": "import subprocess; subprocess.run(['sh', '-c', 'exec 3<{folder}/q.csv'], check=True, stderr=-1)",
    "a child Python": "import subprocess, sys\n"
    "subprocess.run([sys.executable, '-c', 'open(\"{folder}/q.csv\")'], check=True, capture_output=True)",
    "a thread": "from concurrent.futures import ThreadPoolExecutor as T; T(1).submit(open, '{folder}/q.csv').result()",
}
if find_spec("duckdb"):
    READERS["duckdb"] = "import duckdb; duckdb.sql(\"select * from '{folder}/q.csv'\").fetchall()"
    READERS["duckdb parquet"] = "import duckdb; duckdb.sql(\"select * from '{folder}/q.parquet'\").fetchall()"
UNNAMED = {"sqlite", "the C library"}  # their errors name no file; the trace does


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("project")
    for name in ("open", "closed", "names"):
        (project / name).mkdir()
        (project / name / "q.csv").write_text("a,b\n1,2\n")
        pl.DataFrame({"a": [1, 2]}).write_parquet(project / name / "q.parquet")
        with sqlite3.connect(project / name / "q.db") as connection:
            connection.execute("create table t (a)")
        connection.close()
    (project / "out").mkdir()
    return project


@pytest.fixture(scope="module")
def worker(folder: Path) -> Iterator[Worker]:
    with Worker() as running:
        setup(running, folder, connect=False)
        yield running


def setup(worker: Worker, folder: Path, *, connect: bool) -> dict[str, Any]:
    here = [SOURCES, *(path for path in sys.path if "site-packages" in path), str(Path(__file__).parent)]
    return worker.step("value = limits", folder, before=RESTRICT.format(here=here, connect=connect))


def attempt(worker: Worker, folder: Path, code: str) -> dict[str, Any]:
    """Run code; the answer's value is what `denied` says of its error."""
    indented = "\n".join(f"    {line}" for line in code.splitlines())
    text = f"value = None\ntry:\n{indented}\nexcept BaseException as error:\n    value = [landlock.denied(error)]"
    return worker.step(text, folder)


@pytest.mark.parametrize("reader", READERS)
def test_an_undeclared_file_is_denied_to(reader: str, worker: Worker, folder: Path) -> None:
    answer = attempt(worker, folder, READERS[reader].format(folder="closed"))
    assert answer["error"] == ""
    assert answer["value"] is not None, "it was read"
    if reader not in UNNAMED:
        assert answer["value"][0].startswith("closed")
    assert any(path.startswith("closed") for path in answer["refused"])


@pytest.mark.parametrize("reader", READERS)
def test_a_declared_file_is_open_to(reader: str, worker: Worker, folder: Path) -> None:
    answer = attempt(worker, folder, READERS[reader].format(folder="open"))
    assert answer["value"] is None
    assert answer["refused"] == []


def test_names_can_be_listed_without_contents(worker: Worker, folder: Path) -> None:
    assert attempt(worker, folder, "import os; assert os.listdir('names')")["value"] is None
    assert attempt(worker, folder, "open('names/q.csv')")["value"] == ["names/q.csv"]


@pytest.mark.parametrize(
    "code",
    [
        "open('open/q.csv', 'a')",
        "import os; os.truncate('open/q.csv', 0)",
        "import os; os.remove('open/q.csv')",
        "import os; os.rename('open/q.csv', 'out/q.csv')",
        "Path('new').write_text('x')",
        "Path('open/new').mkdir()",
        "import subprocess; subprocess.run(['touch', 'open/new'], check=True, capture_output=True)",
    ],
)
def test_inputs_can_not_be_changed(code: str, worker: Worker, folder: Path) -> None:
    before = (folder / "open/q.csv").read_bytes()
    assert attempt(worker, folder, code)["value"] is not None
    assert (folder / "open/q.csv").read_bytes() == before
    assert not (folder / "new").exists()


def test_a_declared_folder_can_be_changed_in_every_way(worker: Worker, folder: Path) -> None:
    code = """
import os
Path('out/deep').mkdir(); Path('out/deep/f').write_text('1'); os.truncate('out/deep/f', 0)
os.rename('out/deep/f', 'out/f'); os.symlink('f', 'out/link'); os.link('out/f', 'out/deep/hard')
os.remove('out/f'); os.remove('out/link'); os.remove('out/deep/hard'); os.rmdir('out/deep')
"""
    assert attempt(worker, folder, code)["value"] is None


def test_libraries_and_programs_find_what_they_need(worker: Worker, folder: Path) -> None:
    code = """
import locale, multiprocessing, os, ssl, subprocess, sys, tempfile, zoneinfo
import pandas, polars, pyarrow, sklearn.linear_model
assert zoneinfo.ZoneInfo('Europe/Berlin') and os.urandom(4)
ssl.create_default_context()
open('/dev/null', 'w').write('x'); open('/proc/self/status').read(); open('/proc/cpuinfo').read()
subprocess.run([sys.executable, '-c', 'import json, numpy'], check=True)
with multiprocessing.get_context('fork').Pool(1) as pool: assert pool.map(abs, [-1]) == [1]
sklearn.linear_model.LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
"""
    assert attempt(worker, folder, code)["value"] is None


def test_connections_are_denied_or_open_as_declared(worker: Worker, folder: Path) -> None:
    if landlock.supported() < 4:
        pytest.skip(f"Landlock {landlock.supported()} knows no network")
    code = """
import socket
server = socket.create_server(('127.0.0.1', 0))
socket.create_connection(server.getsockname(), timeout=20)
"""
    assert attempt(worker, folder, code)["value"] is not None
    with Worker() as other:
        assert setup(other, folder, connect=True)["value"] == []
        assert attempt(other, folder, code)["value"] is None


def test_a_process_in_which_a_library_has_threads_is_refused() -> None:
    code = """
import threading, polars
polars.DataFrame({'a': range(100_000)}).lazy().group_by('a').len().collect()
from pathlib import Path
from detent.errors import RefusedError
from detent.pipeline.trace import landlock
try: landlock.restrict(read=[], write=[], connect=True)
except RefusedError as error: print(error.what)
print(open('/etc/passwd').readable())
"""
    environment = {**os.environ, "PYTHONPATH": SOURCES}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert found.stdout == "this process can't be restricted any more\nTrue\n"


@pytest.mark.parametrize(
    ("error", "path"),
    [
        (PermissionError(13, "Permission denied", "a b.csv"), "a b.csv"),
        (PermissionError("Permission denied (os error 13): data/x.csv"), "data/x.csv"),
        (OSError("[Errno 13] Failed to open local file 'x.csv'. Detail: [errno 13] Permission denied"), "x.csv"),
        (RuntimeError('IO Error: Cannot open file "d/x y.csv": Permission denied'), "d/x y.csv"),
        (subprocess.CalledProcessError(1, "cat", stderr=b"cat: x.csv: Permission denied\n"), "x.csv"),
        (ValueError("Permission is a word"), None),
        (FileNotFoundError(2, "No such file or directory", "x.csv"), None),
    ],
)
def test_the_refused_path_is_taken_from_an_error(error: BaseException, path: str | None) -> None:
    assert landlock.denied(error) == path


def test_the_refused_path_is_taken_from_the_error_behind_an_error() -> None:
    inner = PermissionError(13, "Permission denied", "x.csv")
    outer = DetentError(what="w", why="y", fix="f")
    outer.__cause__ = inner
    inner.__context__ = outer  # a circle
    assert landlock.denied(outer) == "x.csv"


def test_a_kernel_without_landlock_is_a_clear_error(folder: Path) -> None:
    """A filter that answers ENOSYS stands for such a kernel."""
    code = """
import ctypes, struct, sys
from detent.errors import StepError
from detent.pipeline.trace import kernel, landlock
lines = [(0x20, 0, 0, 0), (0x35, 0, 2, 444), (0x25, 1, 0, 446), (6, 0, 0, 0x50026), (6, 0, 0, 0x7FFF0000)]
program = ctypes.create_string_buffer(b''.join(struct.pack('=HBBI', *line) for line in lines))
head = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', len(lines), ctypes.addressof(program)))
kernel.forbid_new_privileges()
kernel.call(kernel.SECCOMP[kernel.ARCHITECTURE], 1, 0, ctypes.addressof(head))
assert landlock.supported() == 0
try: landlock.restrict(read=[], write=[], connect=True)
except StepError as error: print(error)
"""
    environment = {**os.environ, "PYTHONPATH": SOURCES}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert "no Landlock" in found.stdout
    assert "without --hermetic" in found.stdout
    assert issubclass(StepError, DetentError)
