"""A task, what can come of it, and who runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from detent.errors import DetentError
from detent.pipeline.artifacts import Artifact
from detent.pipeline.workspace import Address
from detent.records.run import StepRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One attempt at one call of a step. All else is read from the graph document and the store."""

    address: Address
    graph: str  # digest of the graph document
    run: str
    step: str
    shard: int  # item of a fan-out, counted from 0; -1 for a step that is none
    attempt: int = 1
    key: str = ""  # cache key as the driver planned it; "": whoever executes it plans alone
    why: str = ""  # why it is not a hit, as the driver found; "": whoever executes it finds out
    force: bool = False  # run it also when there is a result, and compare
    hermetic: bool = False  # let it read only what it declares
    now: str = ""  # ISO time that results are stamped with; "": the machine's clock
    code: str = ""  # digest of the project files as they were planned; a worker process serves one such state only
    timeout: float | None = None  # seconds
    memory: int | None = None  # bytes
    cpu: float = 1.0
    gpu: int = 0
    packages: tuple[str, ...] | None = None  # that the code of the whole graph loads; None: nobody knows them


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """Asks a worker to import what the steps of the newest run needed: those of the next one will need much of it."""

    address: Address
    variables: Mapping[str, str]  # that whoever plans is expected to set, besides those that it has


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The step has a result, which is committed: a hit, or made just now. A skipped step has none."""

    step_run: StepRun
    outputs: tuple[tuple[str, Artifact], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """The step's code, or what it called, raised; or the call could not be made at all."""

    kind: str  # exception's type
    message: str
    transient: bool  # a lost connection or the like: another attempt may succeed
    file: str  # deepest place in the project's own files; "" when there is none
    line: int | None
    error: DetentError | None  # the exception itself when it says what, why and fix


@dataclass(frozen=True, slots=True, kw_only=True)
class Died:
    """The worker process ended without an answer."""

    how: str  # "killed by SIGKILL", "exit status 3"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOut:
    """The attempt took longer than its timeout, and its process was killed."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TooLarge:
    """The attempt used more memory than it may, and its process was killed."""

    used: int  # bytes
    limit: int  # bytes


Outcome = Done | Raised | Died | TimedOut | TooLarge


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A task and what came of it."""

    task: Task
    outcome: Outcome
    seconds: float  # wall time of the attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What an executor has free."""

    slots: int  # tasks that could be started now
    cpu: float
    memory: int  # bytes
    gpu: int


class Executor(Protocol):
    """Runs tasks somewhere else. Used from one thread; what it started it also ends, at the latest in `close`."""

    def total(self) -> Capacity:
        """Return what it has when nothing runs."""
        ...

    def start(self, task: Task) -> None:
        """Start a task; the caller keeps within `total`."""
        ...

    def wait(self, timeout: float | None) -> list[Ended]:
        """Wait until a task has ended, or for that many seconds, and return those that ended (each once)."""
        ...

    def cancel(self) -> None:
        """End every task that runs; none of them is reported."""
        ...

    def close(self) -> None:
        """Let go of everything. Closing again does nothing."""
        ...
