"""A job, what can come of it, and who runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from detent.errors import DetentError
from detent.pipeline.artifacts import Artifact
from detent.store.blobs import Blobs


@dataclass(frozen=True, slots=True)
class Stored:
    """An argument that the worker reads from the blob store."""

    artifact: Artifact


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A NamedTuple or dataclass argument whose fields the worker reads from the blob store."""

    type: str  # "module:class"
    fields: tuple[tuple[str, Artifact], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One attempt at one step."""

    step: str
    attempt: int  # 1, 2 ...
    module: str  # Python module that holds the step
    attribute: str
    file: str  # the module's file relative to `folder`; "" when the module is installed
    folder: str  # absolute path of the project
    arguments: Mapping[str, object]  # by parameter; values with Stored and StoredRecord as leaves
    outputs: tuple[str, ...]
    record: bool  # True: the function returns a record whose fields are the outputs
    timeout: float | None  # seconds
    log: str  # absolute path of the file that gets what the step prints
    blobs: Blobs
    code: str  # digest of the project files as they were fingerprinted; a worker serves one such state only


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The step returned, and its outputs are stored."""

    outputs: tuple[tuple[str, Artifact], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """The step's code, or what it called, raised."""

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


Outcome = Done | Raised | Died | TimedOut


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A job and what came of it."""

    job: Job
    outcome: Outcome
    seconds: float  # wall time of the attempt


class Executor(Protocol):
    """Runs jobs somewhere else. Used from one thread; what it started it also ends, at the latest in `close`."""

    def free(self) -> int:
        """Return how many jobs could be started now."""
        ...

    def start(self, job: Job) -> None:
        """Start a job; call it only when one is free."""
        ...

    def wait(self, timeout: float | None) -> list[Ended]:
        """Wait until a job has ended, or for that many seconds, and return those that ended (each once)."""
        ...

    def cancel(self) -> None:
        """End every job that runs; none of them is reported."""
        ...

    def close(self) -> None:
        """Let go of everything. Closing again does nothing."""
        ...
