"""What a traced step reads and writes, whoever opens the files: Python, C, C++, Rust, threads, children."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from trace_worker import SOURCES, Worker, reads

from detent.pipeline.trace import seccomp

pytestmark = pytest.mark.skipif(bool(seccomp.unsupported()), reason=seccomp.unsupported() or "supported")
BYTES = b"a,b\n1,2\n3,4\n"
DIGEST = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as running:
        assert running.means.startswith("seccomp"), running.means
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    (project / "q.csv").write_bytes(BYTES)
    return project


READERS = {
    "open": "open('q.csv').read()",
    "os.open": "import os; os.close(os.open('q.csv', os.O_RDONLY))",
    "an absolute path": "open(Path('q.csv').absolute()).read()",
    "a path with dots": "open('../project/./q.csv').read()",
    "pathlib": "Path('q.csv').read_bytes()",
    "a folder's descriptor": "import os; f = os.open('.', os.O_RDONLY); os.close(os.open('q.csv', 0, dir_fd=f))",
    "the pandas C parser": "import pandas; pandas.read_csv('q.csv')",
    "polars read_csv": "import polars; polars.read_csv('q.csv')",
    "polars scan_csv": "import polars; polars.scan_csv('q.csv').collect()",
    "pyarrow.csv": "import pyarrow.csv; pyarrow.csv.read_csv('q.csv')",
    "a numpy memmap": "import numpy; int(numpy.memmap('q.csv', mode='r').sum())",
    "fopen of the C library": "import ctypes; c = ctypes.CDLL(None); assert c.fopen(b'q.csv', b'r')",
    "openat2": "import ctypes; h = (ctypes.c_uint64 * 3)(); c = ctypes.CDLL(None)\n"
    "assert c.syscall(437, -100, b'q.csv', h, ctypes.c_size_t(24)) > 0",
    "a child": "import subprocess; subprocess.run(['cat', 'q.csv'], stdout=-3, check=True)",
    "a child of a shell": "import os; assert os.system('exec 3<q.csv') == 0",
    "a child Python": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'open(\"q.csv\")'], check=True)",
    "a forked child": "import os\nif not os.fork(): open('q.csv'); os._exit(0)\nos.wait()",
    "a pool of processes": "import multiprocessing as m\n"
    "with m.get_context('fork').Pool(1) as p: p.map(Path.read_bytes, [Path('q.csv')])",
    "a thread": "import threading; t = threading.Thread(target=Path('q.csv').read_bytes); t.start(); t.join()",
    "a hard link": "import os; os.link('q.csv', 'link.csv'); open('link.csv').read(); os.remove('link.csv')",
    "a symbolic link": "import os; os.symlink('q.csv', 'link.csv'); open('link.csv').read(); os.remove('link.csv')",
}
if find_spec("duckdb"):
    READERS["duckdb"] = "import duckdb; duckdb.sql(\"select * from 'q.csv'\").fetchall()"


@pytest.mark.parametrize("reader", READERS)
def test_a_file_is_seen_when_it_is_read_by(reader: str, worker: Worker, folder: Path) -> None:
    answer = worker.step(READERS[reader], folder)
    assert reads(answer)["q.csv"] == DIGEST
    assert answer["unseen"] == []


@pytest.mark.parametrize(
    "code",
    [
        "import polars; polars.read_parquet('t.parquet')",
        "import polars; polars.scan_parquet('t.parquet').filter(polars.col('a') > 1).collect()",
        "import polars; polars.scan_parquet('t*.parquet').collect()",
        "import pandas; pandas.read_parquet('t.parquet')",
        "import pyarrow.parquet; pyarrow.parquet.read_table('t.parquet')",
        "import pyarrow.dataset; pyarrow.dataset.dataset('t.parquet').to_table()",
    ],
)
def test_parquet_files_are_seen(code: str, worker: Worker, folder: Path) -> None:
    pl.DataFrame({"a": [1, 2]}).write_parquet(folder / "t.parquet")
    assert reads(worker.step(code, folder))["t.parquet"]


def test_databases_and_arrays_are_seen(worker: Worker, folder: Path) -> None:
    with sqlite3.connect(folder / "d.db") as connection:
        connection.execute("create table t (a)")
    connection.close()
    np.save(folder / "x.npy", np.arange(4))
    code = "import sqlite3, numpy; sqlite3.connect('d.db').execute('select * from t').fetchall()\n"
    found = worker.step(code + "numpy.load('x.npy', mmap_mode='r')", folder)
    assert reads(found)["d.db"]
    assert reads(found)["x.npy"]
    assert found["unstable"] == []


def test_what_a_step_made_itself_is_no_read(worker: Worker, folder: Path) -> None:
    code = """
import os, shutil, tempfile
Path('new.txt').write_text('1'); Path('new.txt').read_text()
Path('deep/er').mkdir(parents=True); Path('deep/er/f').write_text('2'); Path('deep/er/f').read_text()
os.listdir('deep')
Path('x.tmp').write_text('3'); os.replace('x.tmp', 'x.txt'); Path('x.txt').read_text()
with tempfile.TemporaryDirectory() as d: Path(d, 'f').write_text('4'); Path(d, 'f').read_text(); os.listdir(d)
shutil.move('deep', 'moved'); Path('moved/er/f').read_text()
"""
    answer = worker.step(code, folder)
    assert reads(answer, "file", "folder") == {}
    assert answer["writes"] == ["moved", "new.txt", "x.txt"]
    assert answer["unstable"] == []


def test_a_file_that_was_read_before_it_was_replaced_stays_a_read_and_is_unstable(worker: Worker, folder: Path) -> None:
    answer = worker.step("t = Path('q.csv').read_text(); Path('q.csv').write_text(t + '5,6\\n')", folder)
    assert "q.csv" in reads(answer)
    assert answer["unstable"] == ["q.csv"]
    assert answer["writes"] == ["q.csv"]


def test_a_file_that_another_process_changes_while_the_step_runs_is_unstable(worker: Worker, folder: Path) -> None:
    (folder / "go").unlink(missing_ok=True)
    child = os.fork()
    if not child:
        deadline = time.monotonic() + 20
        while not (folder / "ready").exists() and time.monotonic() < deadline:
            os.sched_yield()
        (folder / "q.csv").write_text("a,b\n9,9\n")
        (folder / "go").touch()
        os._exit(0)
    code = "open('q.csv').read(); Path('ready').touch()\nwhile not Path('go').exists(): pass"
    answer = worker.step(code, folder)
    os.waitpid(child, 0)
    assert "q.csv" in answer["unstable"]


def test_a_write_over_a_file_without_reading_it_is_a_write_only(worker: Worker, folder: Path) -> None:
    answer = worker.step("Path('q.csv').write_text('x'); open('q.csv').read()", folder)
    assert "q.csv" not in reads(answer)
    assert answer["writes"] == ["q.csv"]
    assert answer["unstable"] == []


@pytest.mark.parametrize(
    ("code", "writes"),
    [
        ("open('log', 'a').write('x')", ["log"]),
        ("import os; os.remove('q.csv')", ["q.csv"]),
        ("import os; os.rename('q.csv', 'r.csv')", ["q.csv", "r.csv"]),
        ("import os; os.chmod('q.csv', 0o600)", ["q.csv"]),
        ("import os; os.truncate('q.csv', 1)", ["q.csv"]),
        ("import subprocess; subprocess.run(['touch', 'made'], check=True)", ["made"]),
        ("import polars; polars.DataFrame({'a': [1]}).write_csv('out.csv')", ["out.csv"]),
        ("Path('gone').write_text('x'); Path('gone').unlink()", []),
    ],
)
def test_side_effects_in_the_project_are_named(code: str, writes: list[str], worker: Worker, folder: Path) -> None:
    answer = worker.step(code, folder)
    assert not answer["error"]
    assert answer["writes"] == writes


def test_a_write_that_failed_makes_nothing_the_steps_own(worker: Worker, folder: Path) -> None:
    (folder / "kept").mkdir()
    code = """
import contextlib, ctypes, os
c = ctypes.CDLL(None)
assert c.open(b'q.csv', os.O_WRONLY | os.O_TRUNC | os.O_DIRECTORY) == -1
assert c.rename(b'kept', b'q.csv') == -1
open('q.csv').read()
with contextlib.suppress(OSError): os.rmdir('..')
"""
    answer = worker.step(code, folder)
    assert reads(answer)["q.csv"] == DIGEST
    assert answer["writes"] == []


def test_missing_files_that_were_looked_for_are_reads_without_a_digest(worker: Worker, folder: Path) -> None:
    code = """
import contextlib, os, subprocess
with contextlib.suppress(OSError): open('settings.yml')
os.path.exists('override.csv')
subprocess.run(['test', '-e', 'flag'])
"""
    assert reads(worker.step(code, folder)) == {"settings.yml": "", "override.csv": "", "flag": ""}


def test_a_file_that_exists_and_is_not_opened_counts_as_present(worker: Worker, folder: Path) -> None:
    assert reads(worker.step("assert Path('q.csv').exists()", folder)) == {"q.csv": "present"}


def test_listing_a_folder_is_a_read_of_its_names(worker: Worker, folder: Path) -> None:
    for name in ("data/a.csv", "data/deep/b.csv", "other/c.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(BYTES)
    found = worker.step("sorted(Path('data').rglob('*.csv'))", folder)
    assert set(reads(found, "folder")) == {"data", "data/deep"}
    found = worker.step("import subprocess; subprocess.run(['ls', 'other'], stdout=-3)", folder)
    assert set(reads(found, "folder")) == {"other"}
    if find_spec("duckdb"):
        found = worker.step("import duckdb; duckdb.sql(\"select * from 'data/*.csv'\").fetchall()", folder)
        assert set(reads(found, "folder")) == {"data"}
    found = worker.step("import os; f = os.open('data', os.O_RDONLY); os.fsync(f); os.close(f)", folder)
    assert reads(found, "folder") == {}


def test_finding_modules_is_no_listing_of_the_project(worker: Worker, folder: Path) -> None:
    (folder / "mine.py").write_text("VALUE = 1\n")
    (folder / "script.py").write_text("import mine\n")
    code = """
import importlib.metadata, subprocess, sys
import mine
list(importlib.metadata.entry_points())
subprocess.run([sys.executable, 'script.py'], check=True)
"""
    answer = worker.step(code, folder)
    assert reads(answer, "folder") == {}
    assert set(reads(answer, "import")) == {"mine.py", "script.py"}
    answer = worker.step("import mine, os; os.listdir('.')", folder)
    assert set(reads(answer, "folder")) == {"."}


def test_modules_are_named_by_who_executes_them(worker: Worker, folder: Path) -> None:
    (folder / "deep").mkdir()
    for name, text in {
        "deep/__init__.py": "",
        "deep/part.py": "from deep import inner\n",
        "deep/inner.py": "X = 1\n",
        "lone.py": "",
        "unused.py": "",
    }.items():
        (folder / name).write_text(text)
    first = worker.step("import deep.part", folder)
    assert set(reads(first, "import")) == {"deep/__init__.py", "deep/part.py", "deep/inner.py"}
    # Another step of the same process finds them loaded, and needs what they need.
    again = worker.step("from importlib import import_module\nimport_module('deep.part')", folder)
    assert set(reads(again, "import")) == {"deep/__init__.py", "deep/part.py", "deep/inner.py"}
    other = worker.step("import lone", folder)
    assert set(reads(other, "import")) == {"lone.py"}
    assert reads(other) == {}
    text = worker.step("Path('unused.py').read_text()", folder)
    assert set(reads(text)) == {"unused.py"}


def test_a_module_that_is_edited_after_it_was_executed_is_unstable(worker: Worker, folder: Path) -> None:
    (folder / "edited.py").write_text("X = 1\n")
    answer = worker.step("import edited; Path('edited.py').write_text('X = 2\\n')", folder)
    assert answer["unstable"] == ["edited.py"]


def test_a_compiled_module_of_a_child_stands_for_its_source(worker: Worker, folder: Path) -> None:
    (folder / "helper.py").write_text("X = 1\n")
    (folder / "main.py").write_text("import helper\n")
    code = "import subprocess, sys; subprocess.run([sys.executable, 'main.py'], check=True)"
    worker.step(code, folder)
    assert list(folder.glob("__pycache__/helper.*.pyc"))
    assert "helper.py" in reads(worker.step(code, folder), "import")


def test_the_machine_and_what_is_ignored_are_not_read(worker: Worker, folder: Path, tmp_path: Path) -> None:
    for name in ("blobs/x", "project/.state/db"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    code = f"""
import email.mime.audio, os, subprocess, sys, zoneinfo
open('/etc/passwd'); open('/proc/self/status'); zoneinfo.ZoneInfo('Europe/Berlin')
open({str(tmp_path / "blobs/x")!r}); open('.state/db'); open('.state/new', 'w')
subprocess.run([sys.executable, '-c', 'import json'], check=True)
"""
    answer = worker.step(code, folder, ignore=[str(tmp_path / "blobs"), str(folder / ".state")])
    assert reads(answer, "file", "folder", "import") == {}
    assert answer["writes"] == []


def test_the_search_for_a_program_is_no_read_but_a_program_of_the_project_is(worker: Worker, folder: Path) -> None:
    (folder / "bin").mkdir()
    (folder / "bin" / "tool").write_text("#!/bin/sh\n")
    (folder / "bin" / "tool").chmod(0o755)
    code = "import os, subprocess; os.environ['PATH'] += f'{os.pathsep}{os.getcwd()}/bin'; subprocess.run(['tool'])"
    found = worker.step(code, folder)
    assert set(reads(found)) == {"bin/tool"}


def test_a_project_may_lie_where_programs_lie(worker: Worker, folder: Path) -> None:
    inside = folder / "venv" / "app"
    inside.mkdir(parents=True)
    (inside / "q.csv").write_bytes(BYTES)
    assert reads(worker.step("open('q.csv')", inside, ignore=[str(folder / "venv")])) == {"q.csv": DIGEST}


def test_files_outside_the_project_have_absolute_names(worker: Worker, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_bytes(BYTES)
    assert reads(worker.step("open('../out.csv')", folder)) == {str(tmp_path / "out.csv"): DIGEST}


def test_what_happens_outside_of_a_step_is_not_noted(worker: Worker, folder: Path) -> None:
    before = "open('q.csv').read(); import os; os.environ.get('BEFORE')"
    assert reads(worker.step("pass", folder, before=before), "file", "env", "folder") == {}


def test_programs_and_connections_are_named(worker: Worker, folder: Path) -> None:
    (folder / "tool.sh").write_text("#!/bin/sh\nexit 0\n")
    (folder / "tool.sh").chmod(0o755)
    code = """
import socket, subprocess
with socket.create_server(('127.0.0.1', 0)) as server:
    port = server.getsockname()[1]
    socket.create_connection(('localhost', port)).close()
subprocess.run(['./tool.sh', '--password=hush'], check=True)
value = port
"""
    answer = worker.step(code, folder)
    assert f"127.0.0.1:{answer['value']}" in answer["connections"]
    assert f"localhost:{answer['value']}" in answer["connections"]
    assert str(folder / "tool.sh") in answer["children"]
    assert "tool.sh" in reads(answer)
    assert "hush" not in str(answer)


def test_many_opens_and_open_files_without_end(worker: Worker, folder: Path) -> None:
    for number in range(300):
        (folder / f"{number}.txt").write_text(str(number))
    code = """
import resource
for repeat in range(10):
    for number in range(300): open(f'{number}.txt').close()
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
leaked = []
try:
    while True: leaked.append(open('q.csv'))
except OSError as error:
    value = error.errno
"""
    with Worker() as other:
        answer = other.step(code, folder)
        assert answer["value"] == 24  # EMFILE
        assert len(reads(answer)) == 301
        assert reads(answer)["q.csv"] == DIGEST
        assert other.step("pass", folder)["error"] == "" or "left them open" in other.step("pass", folder)["error"]


def test_names_that_are_no_text_are_seen(worker: Worker, folder: Path) -> None:
    answer = worker.step(
        "import os; p = os.fsencode(os.getcwd()) + b'/\\xff\\n'; open(p, 'w'); os.listdir('.')", folder
    )
    assert answer["writes"] == ["\udcff\n"]


def test_a_thread_of_a_library_that_holds_the_lock_of_python_does_not_stop_the_worker(
    worker: Worker, folder: Path
) -> None:
    """`PyDLL` keeps the interpreter's lock while the C library opens a file."""
    code = "import ctypes; c = ctypes.PyDLL(None)\nfor _ in range(50): c.fclose(ctypes.c_void_p(f(b'q.csv', b'r')))"
    code = code.replace("\n", "; f = c.fopen; f.restype = ctypes.c_void_p\n", 1)
    assert reads(worker.step(code, folder)) == {"q.csv": DIGEST}


def test_waiting_for_all_children_does_not_meet_the_process_that_looks_on(worker: Worker, folder: Path) -> None:
    code = "import os\ntry: os.wait()\nexcept ChildProcessError: value = 'none'"
    assert worker.step(code, folder)["value"] == "none"


def _supervisor_of(worker: Worker) -> int:
    """The process that looks on: it looks into the worker's memory."""
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "comm").read_text() == "detent-trace\n":
                opened = {str(link.readlink()) for link in (process / "fd").iterdir()}
                if f"/proc/{worker.process.pid}/mem" in opened:
                    return int(process.name)
        except OSError:  # it ended just now
            continue
    raise AssertionError("nobody looks on")


def _wait_until_gone(process: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return  # it ended; init collects it
        except FileNotFoundError:
            return
        os.sched_yield()
    raise AssertionError("it is still there")


def test_nothing_stays_when_the_worker_is_killed(folder: Path) -> None:
    worker = Worker()
    supervisor = _supervisor_of(worker)
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.wait(20)
    _wait_until_gone(supervisor)


def test_a_child_that_outlives_the_worker_can_go_on_opening_files(folder: Path) -> None:
    worker = Worker()
    code = "import subprocess\nvalue = subprocess.Popen(['sh', '-c', 'read x; cat q.csv > copy'], stdin=-1).pid"
    supervisor = _supervisor_of(worker)
    answer = worker.step(code, folder)
    os.kill(worker.process.pid, signal.SIGKILL)  # which closes the child's input
    worker.process.wait(20)
    _wait_until_gone(answer["value"])
    assert (folder / "copy").read_bytes() == BYTES
    _wait_until_gone(supervisor)


def test_calls_fail_and_the_trace_says_so_when_nobody_looks_on_any_more(folder: Path) -> None:
    worker = Worker()
    supervisor = _supervisor_of(worker)
    code = f"""
import os, signal
os.kill({supervisor}, signal.SIGKILL)
value = None
while value is None:
    try: os.stat('q.csv')
    except OSError as error: value = error.errno
"""
    answer = worker.step(code, folder)
    assert "what the step read is not known" in answer["error"]
    assert answer["code"] == "step"
    worker.close()


def test_signals_for_the_workers_group_do_not_end_the_process_that_looks_on(folder: Path) -> None:
    with Worker() as worker:
        supervisor = _supervisor_of(worker)
        assert os.getpgid(supervisor) != os.getpgid(worker.process.pid)
        os.kill(supervisor, signal.SIGTERM)
        os.kill(supervisor, signal.SIGINT)
        assert reads(worker.step("open('q.csv')", folder)) == {"q.csv": DIGEST}


def test_the_process_that_looks_on_keeps_no_file_of_the_worker_open(tmp_path: Path, folder: Path) -> None:
    """Else who reads a pipe from the worker would wait for its end in vain."""
    with Worker() as worker:
        supervisor = _supervisor_of(worker)
        kept = {str(link.readlink()) for link in Path(f"/proc/{supervisor}/fd").iterdir()}
        memory = f"/proc/{worker.process.pid}/mem"
        line = next(name for name in kept if name.startswith("socket:"))
        assert kept == {"/dev/null", "anon_inode:seccomp notify", memory, line}


def test_threads_that_are_older_than_the_tracer_are_seen(folder: Path) -> None:
    with Worker("threads") as worker:
        answer = worker.step("WORK.put(Path('q.csv').read_bytes); DONE.get()", folder)
        assert reads(answer) == {"q.csv": DIGEST}


def test_a_storm_of_signals_neither_loses_a_read_nor_breaks_one(worker: Worker, folder: Path) -> None:
    code = """
import signal
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
for _ in range(3000): open('q.csv').close()
signal.setitimer(signal.ITIMER_REAL, 0)
"""
    assert reads(worker.step(code, folder)) == {"q.csv": DIGEST}


def test_a_process_set_aside_early_starts_the_one_that_looks_on(folder: Path) -> None:
    worker = Worker("nursery")
    supervisor = _supervisor_of(worker)
    nursery = int(Path(f"/proc/{supervisor}/stat").read_text().rpartition(")")[2].split()[1])
    assert Path(f"/proc/{nursery}/comm").read_text() == "detent-trace\n"
    assert reads(worker.step("open('q.csv')", folder)) == {"q.csv": DIGEST}
    worker.close()
    _wait_until_gone(supervisor)
    _wait_until_gone(nursery)


def test_children_that_are_killed_and_calls_with_wrong_addresses_leave_no_doubt(worker: Worker, folder: Path) -> None:
    code = """
import ctypes, os, signal, subprocess
c = ctypes.CDLL(None)
for number, arguments in ((257, (-100, 0, 0)), (332, (0, 0, 0, 0xFFF, 0)), (437, (-100, b'q.csv', 0, 24))):
    assert c.syscall(number, *arguments) == -1
for _ in range(20):
    child = subprocess.Popen(['sh', '-c', 'while :; do : <q.csv; done'])
    child.kill(); child.wait()
"""
    answer = worker.step(code, folder)
    assert answer["error"] == ""
    assert answer["unseen"] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_without_privileges_all_is_seen_but_a_child_that_hides_its_memory_which_is_said() -> None:
    code = """
import ctypes, os, pathlib, sys
from detent.pipeline.trace.ignored import machine
from detent.pipeline.trace.tracer import Tracer
machine()  # loads modules that may be closed to others
os.chdir(sys.argv[1]); os.setgid(65534); os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE, which becoming another user takes away
tracer = Tracer()
print(tracer.means.partition(':')[0])
for hide in (0, 1):
    tracer.begin(pathlib.Path('.'))
    if not os.fork():
        if hide: ctypes.CDLL(None).prctl(4, 0)
        open('q.csv'); os._exit(0)
    os.wait()
    found = tracer.end()
    print([read.name for read in found.reads if read.name == 'q.csv' and read.digest], found.unseen)
"""
    environment = {**os.environ, "PYTHONPATH": SOURCES}
    with tempfile.TemporaryDirectory() as open_folder:
        Path(open_folder).chmod(0o755)
        Path(open_folder, "q.csv").write_bytes(BYTES)
        command = [sys.executable, "-c", code, open_folder]
        found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    lines = found.stdout.splitlines()
    assert lines[:2] == ["seccomp", "['q.csv'] ()"]
    assert lines[2].startswith("[] ('openat: PermissionError'")
