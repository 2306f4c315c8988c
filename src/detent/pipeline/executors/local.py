"""Worker processes on this machine, forked from one that has the heavy libraries loaded already."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import cast

from detent.pipeline.executors.memory import machine_memory, used_memory
from detent.pipeline.executors.parents import forked_from, modules_of
from detent.pipeline.executors.protocol import Capacity, Died, Done, Ended, Outcome, Rehearsal, Task, TimedOut, TooLarge
from detent.pipeline.executors.worker import STALE, serve
from detent.project.environment import all_variables

_LOOKS = 0.25  # seconds between looks at the memory of steps that have a limit


@dataclass(slots=True)
class _Worker:
    """A process, and the task that it is at."""

    process: ForkServerProcess
    connection: Connection
    code: str | None  # the state of the project's files that it may have imported; None: it rehearses, any is good
    variables: dict[str, str]  # its environment
    task: Task | None = None
    started: float = 0.0  # monotonic seconds

    def send(self, job: Task | Rehearsal) -> None:
        """Hand it a job, with the environment to do it in."""
        self.connection.send((job, self.variables))

    @property
    def deadline(self) -> float | None:
        """Monotonic time at which its task is too late."""
        return self.started + self.task.timeout if self.task and self.task.timeout is not None else None


class LocalExecutor:
    """A pool of up to `workers` processes that lives until `close`; none is started before the first task.

    A worker keeps its imports from task to task, and is replaced when the project's files have changed, when a task
    timed out or when it died. `preload` names modules that the workers' parent imports once, so that no worker has to;
    None: what takes long to import among those that the tasks' code uses.
    """

    def __init__(self, workers: int, *, preload: Sequence[str] | None = None) -> None:
        self._limit = max(1, workers)
        self._workers: list[_Worker] = []
        self._context = multiprocessing.get_context("forkserver")
        self._preload = preload

    def total(self) -> Capacity:
        """Return one core per worker, and the machine's memory and GPUs."""
        gpus = len(list(Path("/dev").glob("nvidia[0-9]*")))
        return Capacity(slots=self._limit, cpu=float(self._limit), memory=machine_memory(), gpu=gpus)

    def rehearse(self, rehearsal: Rehearsal) -> None:
        """Let a worker import what the newest run's steps needed; it is given the first task, which waits for that."""
        if len(os.sched_getaffinity(0)) > 1:  # else it only takes the time of whoever plans
            self._spawn(None, frozenset()).send(rehearsal)

    def start(self, task: Task) -> None:
        """Give a task to an idle worker that has no other code loaded, or to a new one."""
        for stale in [idle for idle in self._workers if idle.task is None and not self._usable(idle, task)]:
            self._end(stale)
        modules = modules_of(task.packages) if self._preload is None else frozenset(self._preload)
        worker = next((idle for idle in self._workers if idle.task is None), None) or self._spawn(task.code, modules)
        worker.code, worker.variables = task.code, all_variables()
        try:
            worker.send(task)
        except OSError:  # it died while it was idle
            self._end(worker)
            worker = self._spawn(task.code, modules)
            worker.send(task)
        worker.task, worker.started = task, time.monotonic()

    def wait(self, timeout: float | None) -> list[Ended]:
        """Wait for answers, deaths, deadlines and steps that use too much memory."""
        if all(worker.task is None for worker in self._workers):
            if timeout:
                time.sleep(timeout)
            return []
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            busy = [worker for worker in self._workers if worker.task is not None]  # one may have been replaced
            now = time.monotonic()
            limits = [max(0.0, worker.deadline - now) for worker in busy if worker.deadline is not None]
            limits += [] if until is None else [max(0.0, until - now)]
            limits += [_LOOKS] if any(worker.task and worker.task.memory for worker in busy) else []
            ready = set(wait([worker.connection for worker in busy], min(limits, default=None)))
            ended = [
                one for worker in busy if worker.connection in ready and (one := self._collect(worker)) is not None
            ]
            ended += [self._kill(worker, reason) for worker in busy if (reason := _too_much(worker)) is not None]
            if ended or (until is not None and time.monotonic() >= until):
                return ended

    def cancel(self) -> None:
        """Kill the workers that are at a task."""
        for worker in [worker for worker in self._workers if worker.task is not None]:
            self._end(worker)

    def close(self) -> None:
        """End every worker."""
        for worker in list(self._workers):
            self._end(worker)

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _usable(self, worker: _Worker, task: Task) -> bool:
        # A hermetic step locks its process up for good, so it gets one of its own. The seconds of a rehearsal are not
        # to count against a step's own, and whether the environment is the right one only that worker can say.
        if worker.code is None:
            return not task.hermetic and task.timeout is None and worker.process.is_alive()
        same = worker.code == task.code and worker.variables == all_variables()
        return same and not task.hermetic and worker.process.is_alive() and not _is_worn(worker)

    def _spawn(self, code: str | None, modules: frozenset[str]) -> _Worker:
        ours, theirs = self._context.Pipe()
        variables = all_variables()  # those of now: the parent of the workers has those of when it was started
        process = self._context.Process(target=serve, args=(theirs, variables), daemon=True, name="detent-step")
        with forked_from(modules):
            process.start()
        theirs.close()  # else the death of the worker would not close the pipe
        worker = _Worker(process, cast("Connection", ours), code, variables)
        self._workers.append(worker)
        return worker

    def _collect(self, worker: _Worker) -> Ended | None:
        try:
            outcome = cast("Outcome", worker.connection.recv())
        except (EOFError, OSError):
            task, seconds = self._finish(worker)
            worker.process.join(timeout=5)
            code = worker.process.exitcode
            self._end(worker)
            return Ended(task=task, outcome=Died(how=_how(code)), seconds=seconds)
        task, seconds = self._finish(worker)
        if outcome == STALE:
            self._end(worker)
            self.start(task)
            return None
        if task.hermetic or not isinstance(outcome, Done):  # nobody knows what a step that broke off leaves behind
            self._end(worker)
        return Ended(task=task, outcome=outcome, seconds=seconds)

    def _kill(self, worker: _Worker, reason: Outcome) -> Ended:
        task, seconds = self._finish(worker)
        self._end(worker)
        return Ended(task=task, outcome=reason, seconds=seconds)

    def _finish(self, worker: _Worker) -> tuple[Task, float]:
        assert worker.task is not None
        task, worker.task = worker.task, None
        return task, time.monotonic() - worker.started

    def _end(self, worker: _Worker) -> None:
        """Kill a worker and everything that it started."""
        self._workers.remove(worker)
        worker.connection.close()
        if worker.process.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it has no group yet, or is gone
                os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.kill()
        worker.process.join(timeout=5)


def _is_worn(worker: _Worker) -> bool:
    """True when steps have left so many files open that a next one might find no descriptor."""
    try:
        files = os.listdir(f"/proc/{worker.process.pid}/fd")  # noqa: PTH208
    except OSError:
        return False
    return len(files) > resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2


def _too_much(worker: _Worker) -> Outcome | None:
    """Return why a worker that is still at its task has to be killed; None when it may go on."""
    task = worker.task
    if task is None:
        return None
    if worker.deadline is not None and worker.deadline <= time.monotonic():
        return TimedOut(seconds=task.timeout or 0.0)
    if task.memory is not None and worker.process.pid is not None:
        used = used_memory(worker.process.pid)
        if used > task.memory:
            return TooLarge(used=used, limit=task.memory)
    return None


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"
