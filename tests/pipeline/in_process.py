"""An executor for tests that starts no process: what it does comes in the same order each time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from detent.pipeline.attempt import Attempts
from detent.pipeline.execute import execute
from detent.pipeline.executors.protocol import Capacity, Ended, Task
from detent.pipeline.session import Sessions
from detent.pipeline.trace.tracer import Tracer


@dataclass
class InProcess:
    """An executor without processes, so that every operation of a run comes in the same order each time."""

    sessions: Sessions = field(default_factory=Sessions)
    attempts: Attempts = field(default_factory=lambda: Attempts(Tracer()))
    ended: list[Ended] = field(default_factory=list)

    def total(self) -> Capacity:
        return Capacity(slots=1, cpu=1.0, memory=2**40, gpu=0)

    def start(self, task: Task) -> None:
        began = time.monotonic()
        outcome = execute(task, self.sessions, self.attempts)
        self.ended.append(Ended(task=task, outcome=outcome, seconds=time.monotonic() - began))

    def wait(self, timeout: float | None) -> list[Ended]:
        ended, self.ended = self.ended, []
        if not ended and timeout:
            time.sleep(timeout)
        return ended

    def cancel(self) -> None:
        self.ended.clear()

    def close(self) -> None:
        self.sessions.close()
