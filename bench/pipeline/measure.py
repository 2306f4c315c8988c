"""Run one command: wall time, CPU time of everything it started, and in a run of its own the peak of its memory.

Linux only. This process adopts orphans (PR_SET_CHILD_SUBREAPER), so that the CPU of servers that a tool leaves behind
is counted as well, and so that they can be ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One execution of a command."""

    wall: float  # seconds
    cpu: float  # seconds, user and system, of the whole process tree
    peak: int  # bytes of memory of the process tree (PSS), 0 when not asked for
    code: int  # exit code; negative: ended by that signal
    stopped: bool  # it ran into the cap
    printed: str  # stdout and stderr


def adopt_orphans() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def execute(
    command: Sequence[str],
    *,
    folder: Path,
    env: Mapping[str, str],
    log: Path,
    cap: float,
    memory: bool = False,
    watch: threading.Event | None = None,
    alone: bool = True,
) -> Sample:
    """Run a command to its end, or to `cap` seconds. `watch` set by someone: it is killed with SIGKILL.

    With `memory` the sizes of all its processes are read each 20 ms; such a run should not be timed. Not `alone`:
    another command runs beside it, so what it leaves behind is not ended and CPU means nothing.
    """
    with log.open("wb") as output:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=dict(env), stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
        with _sampled(process.pid if memory else 0) as peak:
            stopped = _wait(process, cap, watch)
            wall = time.perf_counter() - started
        if alone:
            end_children()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    printed = log.read_text(errors="replace")
    return Sample(wall=wall, cpu=cpu, peak=peak[0], code=process.returncode, stopped=stopped, printed=printed)


def _wait(process: subprocess.Popen[bytes], cap: float, watch: threading.Event | None) -> bool:
    deadline = time.perf_counter() + cap
    while True:
        left = deadline - time.perf_counter()
        try:
            process.wait(timeout=max(0.0, left) if watch is None else min(max(0.0, left), 0.005))
            return False
        except subprocess.TimeoutExpired:
            killed = watch is not None and watch.is_set()
            if killed or time.perf_counter() >= deadline:
                kill_tree(process.pid)
                process.wait()
                return not killed


def kill_tree(pid: int) -> None:
    """SIGKILL to a process and everything below it, the process itself first, so that it cannot start more."""
    below = descendants(pid)
    for one in (pid, *below):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def end_children() -> None:
    """End what a command left running and reap it; a server that the caller started itself stays."""
    deadline = time.perf_counter() + 5
    while left := [pid for pid in children(os.getpid()) if pid not in KEPT]:
        for pid in left:
            grown = descendants(pid)
            for one in (pid, *grown):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGTERM if time.perf_counter() < deadline - 3 else signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.005)


KEPT: set[int] = set()  # servers of our own that outlive a command


def children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    found = children(pid)
    for one in found:  # the list grows while it is walked
        found += [below for below in children(one) if below not in found]
    return found


@contextlib.contextmanager
def _sampled(pid: int) -> Iterator[list[int]]:
    peak = [0]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], sum(_pss(one) for one in (pid, *descendants(pid))))

    thread = threading.Thread(target=sample) if pid else None
    if thread:
        thread.start()
    try:
        yield peak
    finally:
        done.set()
        if thread:
            thread.join()


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
