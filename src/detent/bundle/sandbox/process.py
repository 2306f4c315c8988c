"""The caller's side: start the process when it is first needed, ask it, and kill and restart it when it fails."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import weakref
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from time import monotonic

import msgspec

from detent.bundle.predictors.columns import raised
from detent.bundle.protocol import PredictionError
from detent.bundle.sandbox.frames import Answer, Question, Start, receive, send

LOAD_SECONDS = 120.0  # for imports and reading the model, on a busy machine
_CPU_CHECK = 1.0  # seconds between two looks at its processor time
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
# Nothing of the caller's environment: it may hold secrets.
_ENVIRONMENT = {
    **dict.fromkeys(_THREADS, "1"),
    **{"LANG": "C.UTF-8", "HOME": "/nonexistent", "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"},
    **{"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"},
}


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    pipe: socket.socket
    lifeline: int  # when it closes, the kernel kills the child
    ready: bool = False
    cpu_until: float = 0.0

    def kill(self) -> int | None:
        """End it now and return its exit status, negative for a signal."""
        status = self.process.poll()
        self.process.kill()
        self.process.wait()
        self.pipe.close()
        os.close(self.lifeline)
        return status


class Sandbox:
    """One confined process with a model. Calls from several threads wait for one another."""

    def __init__(self, start: Start, *, deadline: float) -> None:
        self._start, self._deadline = start, deadline
        self._lock = Lock()
        self._children: list[_Child] = []  # one or none; the finalizer needs it without this object
        self.limits: tuple[str, ...] = ()  # what this system could not forbid, known after the first call
        self._finalizer = weakref.finalize(self, _kill_all, self._children)

    def ask(self, question: Question) -> bytes:
        """Return the bytes of the scores.

        Raises:
            PredictionError: the model raised, did not answer within the deadline, had no memory left, or its process
                died; a new process is started in the last three cases.
        """
        if not self._lock.acquire(timeout=self._deadline):
            raise raised(f"its process was busy for {self._deadline:g} s")
        try:
            child = self._ready_child()  # reading the model is no part of the call that happens to be the first
            return self._exchange(child, question, monotonic() + self._deadline)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Kill the process."""
        self._finalizer()

    def _exchange(self, child: _Child, question: Question, until: float) -> bytes:
        try:
            self._allow_cpu(child)
            child.pipe.settimeout(max(0.001, until - monotonic()))
            send(child.pipe, question)
            answer = self._answer(child, until)
        except TimeoutError as error:
            self._restart(child)
            raise raised(f"no answer within {self._deadline:g} s; its process was killed and restarted") from error
        except (OSError, ValueError) as error:
            raise self._died(child, error) from error
        if answer.full:
            self._restart(child)
            megabytes = f"{self._start.memory >> 20:,} MB of `trust.memory_mb`"
            raise raised(f"it needs more than the {megabytes} ({answer.error}); its process was ended and restarted")
        if answer.error:
            raise raised(answer.error)
        if len(answer.scores) != 8 * question.rows:
            raise raised(f"{len(answer.scores) // 8} scores came for {question.rows} rows")
        return answer.scores

    def _ready_child(self) -> _Child:
        if not self._children:
            self._children.append(_spawn(self._start))
        child = self._children[0]
        if child.ready:
            return child
        try:
            answer = self._answer(child, monotonic() + max(LOAD_SECONDS, self._deadline))
        except (OSError, ValueError) as error:
            self._children.clear()
            raise _unread(child, error) from error
        if answer.error:
            self._children.clear()
            child.kill()
            raise raised(f"it can't be read: {answer.error}")
        child.ready, self.limits = True, answer.limits
        return child

    def _answer(self, child: _Child, until: float) -> Answer:
        payload = receive(child.pipe, until)
        if not payload:
            raise ConnectionError("its process died")
        try:
            return msgspec.msgpack.decode(payload, type=Answer)
        except msgspec.DecodeError as error:  # the model can write to the pipe, too
            raise ValueError(str(error)) from error

    def _died(self, child: _Child, error: Exception) -> PredictionError:
        status = self._restart(child)
        return raised(f"its process {_ended(status, error)}; it was restarted")

    def _restart(self, child: _Child) -> int | None:
        """Kill it and let a new one begin to load; nobody waits for that here."""
        self._children.clear()
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(0.2)  # it died by itself: let the kernel say of what
        status = child.kill()
        self._children.append(_spawn(self._start))
        return status

    def _allow_cpu(self, child: _Child) -> None:
        """Let it compute as long as a call may take; a model that goes on by itself between calls is ended."""
        if sys.platform != "linux" or monotonic() < child.cpu_until:
            return
        child.cpu_until = monotonic() + _CPU_CHECK
        with open(f"/proc/{child.process.pid}/stat", "rb") as file:  # noqa: PTH123
            fields = file.read().rpartition(b")")[2].split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        limit = int(used + self._deadline + _CPU_CHECK) + 1
        resource.prlimit(child.process.pid, resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def _spawn(start: Start) -> _Child:
    ours, theirs = socket.socketpair()
    watched, lifeline = os.pipe()
    command = [sys.executable, "-I", "-m", "detent.bundle.sandbox.child", str(theirs.fileno()), str(watched)]
    try:
        process = subprocess.Popen(
            command, env=_ENVIRONMENT, pass_fds=(theirs.fileno(), watched), cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        ours.close()
        os.close(lifeline)
        raise raised(f"its process can't be started: {error}") from error
    finally:
        theirs.close()
        os.close(watched)
    child = _Child(process, ours, lifeline)
    ours.settimeout(LOAD_SECONDS)
    try:
        send(ours, start)
    except OSError as error:
        raise _unread(child, error) from error
    return child


def _unread(child: _Child, error: Exception) -> PredictionError:
    with suppress(subprocess.TimeoutExpired):
        child.process.wait(0.2)
    status = child.kill()
    return raised(f"it can't be read: its process {_ended(status, error)}")


def _ended(status: int | None, error: Exception) -> str:
    if status is None:
        return "was too slow and was killed" if isinstance(error, TimeoutError) else f"broke the protocol ({error})"
    return f"died of signal {-status}" if status < 0 else f"ended with status {status}"


def _kill_all(children: list[_Child]) -> None:
    while children:
        children.pop().kill()
