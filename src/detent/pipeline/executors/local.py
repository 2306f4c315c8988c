"""Worker processes on this machine, forked from one that has the heavy libraries loaded already."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import cast

from detent.pipeline.executors.protocol import Died, Ended, Job, Outcome, TimedOut
from detent.pipeline.executors.worker import serve

PRELOAD = ("numpy", "polars", "pyarrow")
_OURS = (
    "detent.pipeline.executors.worker",
    "detent.pipeline.codecs.parquet",
    "detent.pipeline.codecs.npy",
    "detent.pipeline.codecs.json",
    "detent.pipeline.codecs.folder",
)


@dataclass(slots=True)
class _Worker:
    """A process, and the job that it is at."""

    process: ForkServerProcess
    connection: Connection
    code: str  # the state of the project's files that it may have imported
    job: Job | None = None
    started: float = 0.0  # monotonic seconds

    @property
    def deadline(self) -> float | None:
        """Monotonic time at which its job is too late."""
        return self.started + self.job.timeout if self.job and self.job.timeout is not None else None


class LocalExecutor:
    """A pool of up to `workers` processes that lives until `close`; none is started before the first job.

    A worker keeps its imports from job to job, and is replaced when the project's files have changed, when a job timed
    out or when it died. `preload` names modules that the workers' parent imports once, so that no worker has to.
    """

    def __init__(self, workers: int, *, preload: Sequence[str] = PRELOAD) -> None:
        self._limit = max(1, workers)
        self._workers: list[_Worker] = []
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([*_OURS, *preload])  # replaces the default, which imports the main script

    def free(self) -> int:
        """Return how many jobs could be started now."""
        return self._limit - sum(worker.job is not None for worker in self._workers)

    def start(self, job: Job) -> None:
        """Give a job to an idle worker that has no other code loaded, or to a new one."""
        for stale in [idle for idle in self._workers if idle.job is None and not self._usable(idle, job)]:
            self._end(stale)
        worker = next((idle for idle in self._workers if idle.job is None), None) or self._spawn(job.code)
        try:
            worker.connection.send(job)
        except OSError:  # it died while it was idle
            self._end(worker)
            worker = self._spawn(job.code)
            worker.connection.send(job)
        worker.job, worker.started = job, time.monotonic()

    def wait(self, timeout: float | None) -> list[Ended]:
        """Wait for answers, deaths and deadlines."""
        busy = [worker for worker in self._workers if worker.job is not None]
        if not busy:
            if timeout:
                time.sleep(timeout)
            return []
        now = time.monotonic()
        limits = [max(0.0, worker.deadline - now) for worker in busy if worker.deadline is not None]
        limits += [] if timeout is None else [timeout]
        ready = set(wait([worker.connection for worker in busy], min(limits, default=None)))
        ended = [self._collect(worker) for worker in busy if worker.connection in ready]
        now = time.monotonic()
        late = [worker for worker in busy if worker.deadline is not None and worker.deadline <= now and worker.job]
        return ended + [self._kill(worker) for worker in late]

    def cancel(self) -> None:
        """Kill the workers that are at a job."""
        for worker in [worker for worker in self._workers if worker.job is not None]:
            self._end(worker)

    def close(self) -> None:
        """End every worker."""
        for worker in list(self._workers):
            self._end(worker)

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _usable(self, worker: _Worker, job: Job) -> bool:
        return worker.code == job.code and worker.process.is_alive()

    def _spawn(self, code: str) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs,), daemon=True, name="detent-step")
        with _no_main_module():
            process.start()
        theirs.close()  # else the death of the worker would not close the pipe
        worker = _Worker(process, cast("Connection", ours), code)
        self._workers.append(worker)
        return worker

    def _collect(self, worker: _Worker) -> Ended:
        try:
            outcome = cast("Outcome", worker.connection.recv())
        except (EOFError, OSError):
            job, seconds = self._finish(worker)
            worker.process.join(timeout=5)
            code = worker.process.exitcode
            self._end(worker)
            return Ended(job=job, outcome=Died(how=_how(code)), seconds=seconds)
        job, seconds = self._finish(worker)
        return Ended(job=job, outcome=outcome, seconds=seconds)

    def _kill(self, worker: _Worker) -> Ended:
        job, seconds = self._finish(worker)
        self._end(worker)
        return Ended(job=job, outcome=TimedOut(seconds=job.timeout or seconds), seconds=seconds)

    def _finish(self, worker: _Worker) -> tuple[Job, float]:
        assert worker.job is not None
        job, worker.job = worker.job, None
        return job, time.monotonic() - worker.started

    def _end(self, worker: _Worker) -> None:
        """Kill a worker and everything that it started."""
        self._workers.remove(worker)
        worker.connection.close()
        if worker.process.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it has no group yet, or is gone
                os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.kill()
        worker.process.join(timeout=5)


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Keep multiprocessing from importing the script that was started into the worker, where it would run again."""
    kept = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = kept
