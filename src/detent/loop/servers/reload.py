"""Fresh serving processes for new code: `detent reload` asks, the process of `detent up` replaces them one by one."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from detent.errors import BusyError, DetentError, RefusedError
from detent.loop.servers.serve import server_lock
from detent.loop.workspace import ServingHost, Workspace
from detent.records.event import Event, Fact
from detent.serving.workers.supervisor import Supervisor
from detent.store import ledger
from detent.store.clock import iso

RESTARTED, FAILED = "serving.restarted", "serving.restart_failed"
LOOK_SECONDS = 0.02
Tell = Callable[[str], None]  # shows one line to whoever watches


class Reloads:
    """Restarts the supervisor's processes when asked, in a thread beside the controller; what came of it is recorded.

    A context manager. At its end a restart that is under way is waited for: stop the supervisor first, and it gives up.
    """

    def __init__(self, ws: Workspace | ServingHost, supervisor: Supervisor, *, tell: Tell) -> None:
        self._ws, self._supervisor, self._tell = ws, supervisor, tell
        self._asked: SimpleQueue[bool] = SimpleQueue()
        self._thread = Thread(target=self._serve, name="reloads", daemon=True)

    def __enter__(self) -> Reloads:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._asked.put(False)
        self._thread.join()

    def ask(self) -> None:
        """Ask for a restart; may be called by a signal handler."""
        self._asked.put(True)

    def _serve(self) -> None:
        while self._asked.get():
            while not self._asked.empty():  # all that was asked before a restart begins is one wish
                if not self._asked.get():
                    return
            self._restart()

    def _restart(self) -> None:
        began, clock = iso(self._ws.now()), time.monotonic()
        try:
            count = self._supervisor.restart()
        except DetentError as error:
            self._tell(f"the restart failed: {error.what} ({error.why})")
            self._record(FAILED, {"error": error.what, "why": error.why, "fix": error.fix}, {"asked": began})
            return
        seconds = round(time.monotonic() - clock, 3)
        self._tell(f"restarted {processes(count)} in {seconds:.1f} s")
        self._record(RESTARTED, {}, {"asked": began, "processes": count, "seconds": seconds})

    def _record(self, kind: str, payload: dict[str, str], observed: dict[str, object]) -> None:
        try:
            self._ws.record(
                Fact(
                    kind=kind,
                    subject=f"endpoint:{self._ws.project.serving.endpoint}",
                    actor=self._ws.actor,
                    payload=payload,
                    observed=observed,
                )
            )
        except DetentError as error:  # a locked or full database keeps nobody from the next restart
            self._tell(f"the restart could not be recorded: {error.what} ({error.why})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What a restart did."""

    processes: int
    seconds: float


def reload(ws: Workspace | ServingHost, *, tell: Tell) -> Reloaded:
    """Have the processes of the running `detent up` replaced, and wait until that is done.

    Raises:
        RefusedError: no `detent up` runs here, or it is one that would not survive being asked.
        BusyError: a new process was not ready; those before go on. Or `detent up` ended meanwhile.
    """
    pid = server_of(ws)
    if pid is None:
        raise RefusedError(
            what="there is nothing to restart",
            why="no `detent up` serves this project on this machine",
            fix="start it: detent up",
        )
    if not _catches_hangups(pid):
        raise RefusedError(
            what=f"process {pid} can't be asked to restart its workers",
            why="it would end instead: it runs an older detent",
            fix="stop it and start it again, once: detent up",
        )
    known, asked = _newest(ws), iso(ws.now())
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as error:
        raise RefusedError(
            what=f"process {pid} can't be asked to restart its workers",
            why=f"the operating system says: {error.strerror or error}",
            fix="ask as the user who runs `detent up`",
        ) from error
    tell(f"process {pid} replaces its workers, one by one")
    while True:
        for event in ledger.read(ws.db, kind="serving", after=known):
            if event.observed.get("asked", "") >= asked:
                return _told(event)
        if server_of(ws) != pid:
            raise BusyError(
                what="the workers were not replaced",
                why=f"process {pid} ended meanwhile",
                fix="look at what it printed, and start it again: detent up",
            )
        time.sleep(LOOK_SECONDS)


def server_of(ws: Workspace | ServingHost) -> int | None:
    """Return the process id of the `detent up` that serves this project; None when none does."""
    try:
        descriptor = os.open(server_lock(ws), os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        # Shared: of two that look at once, neither takes the other for a server.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        said = os.pread(descriptor, 32, 0)
        return int(said) if said.isdigit() else None  # empty: it has only just begun
    finally:
        os.close(descriptor)
    return None


def processes(count: int) -> str:
    """Write "1 process", "4 processes"."""
    return f"{count} process{'' if count == 1 else 'es'}"


def _told(event: Event) -> Reloaded:
    if event.kind == FAILED:
        raise BusyError(what=event.payload["error"], why=event.payload["why"], fix=event.payload["fix"])
    return Reloaded(processes=event.observed["processes"], seconds=event.observed["seconds"])


def _newest(ws: Workspace | ServingHost) -> int:
    return max(ledger.last_seq(ws.db, RESTARTED), ledger.last_seq(ws.db, FAILED))


def _catches_hangups(pid: int) -> bool:
    """True unless the kernel says that SIGHUP would end the process; kernels other than Linux' don't say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (signal.SIGHUP - 1) & 1)
