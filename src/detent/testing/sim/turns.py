"""Several processes, of which one at a time goes on: they take turns at their calls, as the seed says."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from detent.testing.sim.ports import BEGIN
from detent.testing.sim.process import Process

Job = Callable[[], None]
SHARES = (0.02, 0.1, 0.4)  # of the calls after which another process goes on; each step has one of them, or none:
LOCKSTEP = -1.0  # another one goes on before each transaction, so that all read before one of them writes


@dataclass(slots=True)
class _Runner:
    process: Process
    job: Job
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    raised: BaseException | None = None


class Turns:
    """Runs jobs of processes together. With one job there is no thread."""

    def __init__(self) -> None:
        self._running: list[_Runner] = []
        self._dice = random.Random(0)  # noqa: S311
        self._over = threading.Semaphore(0)
        self._share = 0.0

    def run(self, jobs: Mapping[Process, Job], dice: random.Random) -> dict[Process, BaseException]:
        """Run every job to its end and return what was raised, by process."""
        if len(jobs) == 1:
            return {process: raised for process, job in jobs.items() if (raised := _attempt(job)) is not None}
        self._dice, self._share = dice, dice.choice((*SHARES, LOCKSTEP, LOCKSTEP))
        runners = [_Runner(process, job) for process, job in jobs.items()]
        self._running = list(runners)
        threads = [threading.Thread(target=self._live, args=(runner,), daemon=True) for runner in runners]
        for thread in threads:
            thread.start()
        self._running[0].go.release()
        self._over.acquire()
        for thread in threads:
            thread.join()
        return {runner.process: runner.raised for runner in runners if runner.raised is not None}

    def at(self, process: Process, call: str) -> None:
        """Perhaps let another process go on; returns when this one's turn comes again."""
        if len(self._running) < 2 or not process.switchable:
            return
        if call != BEGIN if self._share == LOCKSTEP else self._dice.random() >= self._share:
            return
        mine = next(runner for runner in self._running if runner.process is process)
        other = self._dice.choice([runner for runner in self._running if runner is not mine])
        other.go.release()
        mine.go.acquire()

    def _live(self, runner: _Runner) -> None:
        runner.process.thread = threading.get_ident()
        runner.go.acquire()
        runner.raised = _attempt(runner.job)
        self._running.remove(runner)
        if self._running:
            self._running[0].go.release()
        else:
            self._over.release()


def _attempt(job: Job) -> BaseException | None:
    try:
        job()
    except BaseException as raised:  # noqa: BLE001  (a simulated process may end in any way)
        return raised
    return None
