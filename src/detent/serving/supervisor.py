"""Keeps the workers alive and owns their sockets, so that the port outlives any of them."""

from __future__ import annotations

import logging
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from detent.errors import BusyError, DetentError, StoreError
from detent.serving import acknowledge, keyring, places
from detent.serving.counters import MAX_ENDPOINT, read_numbers
from detent.serving.identifiers import load_or_create_key
from detent.serving.routes import RoutePage
from detent.serving.settings import SupervisorSettings, to_argument
from detent.serving.sockets import address_of, listeners

LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.02
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0  # between restarts of a worker that dies at once
_HEALTHY_SECONDS = 10.0  # a worker that lived this long starts over with the first pause


class _Slot:
    """One place for a worker: a listening socket that stays, and the process that answers on it now."""

    def __init__(self, number: int, listener: socket.socket, manage: socket.socket | None) -> None:
        self.number = number
        self.listener = listener
        self.manage = manage  # the same for the management port
        self.process: subprocess.Popen[bytes] | None = None
        self.life = ""  # of the process
        self.started = 0.0
        self.pause = _FIRST_PAUSE


class Supervisor:
    """N worker processes behind one port. Use it from one thread, or as a context manager."""

    def __init__(self, settings: SupervisorSettings) -> None:
        for name in settings.endpoints:
            if not name or len(name.encode()) > MAX_ENDPOINT:
                raise DetentError(
                    what=f"the endpoint's name `{name[:120]}` can't be used",
                    why=f"a name has 1 to {MAX_ENDPOINT} bytes",
                    fix="choose a shorter name",
                )
        self._settings = settings
        self._slots: list[_Slot] = []
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self._changing = threading.Lock()  # held while a place changes its process
        self.restarts = 0  # workers that died and were replaced

    def __enter__(self) -> Supervisor:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """Where to send requests: `http://host:port`. Known after `start`."""
        return address_of(self._slots[0].listener, secure=self._settings.certificate is not None)

    @property
    def manage_address(self) -> str:
        """Where those who run the server ask it; the same as `address` when there is one port for all."""
        manage = self._slots[0].manage
        return self.address if manage is None else address_of(manage)

    def start(self, timeout: float = 60.0) -> None:
        """Bind the port, start the workers, and return when each of them has followed the present routes.

        Raises:
            BusyError: the port is taken, or a worker was not ready in time (its log's last lines are in the error).
            StoreError: the state folder can't be written.
        """
        state = self._settings.state
        page = RoutePage(places.route_page(state))
        load_or_create_key(places.prediction_key(state))
        keyring.open_page(state).make()
        for folder in (places.worker_logs(state), places.acknowledgements(state)):
            folder.mkdir(parents=True, exist_ok=True)
        self._slots = self._bind()
        try:
            for slot in self._slots:
                self._spawn(slot)
        except BaseException:
            self.stop()
            raise
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()
        waiting = self._wait_for(page.seq(), timeout)
        if waiting:
            reason = _tail(places.worker_logs(state) / f"{waiting[0]}.log")
            self.stop()
            raise BusyError(
                what=f"worker {waiting[0]} did not get ready within {timeout:g} seconds",
                why=reason or "it printed nothing",
                fix=f"look into {places.worker_logs(state)}",
            )

    def stop(self) -> None:
        """Let requests in flight finish, end every worker and free the port. May be called twice."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
        processes = [slot.process for slot in self._slots if slot.process is not None]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + 2 * self._settings.grace + 1.0
        for process in processes:
            _end(process, deadline - time.monotonic())
        for slot in self._slots:
            slot.process = None
            slot.listener.close()
            if slot.manage is not None:
                slot.manage.close()

    def restart(self, timeout: float = 60.0) -> None:
        """Replace every worker by a fresh process, one after the other, for new code or a new environment.

        A new worker takes connections from its predecessor's socket before that one stops to; the old one answers what
        it has. No connection is refused and no request is lost.

        Raises:
            BusyError: a new worker was not ready in time; it is ended, and its predecessor goes on.
        """
        page = RoutePage(places.route_page(self._settings.state))
        for slot in self._slots:
            with self._changing:
                old, before = slot.process, slot.number
                # Each place has two numbers in turn: counters, log and acknowledgement have one writer at a time.
                slot.number = (before + len(self._slots)) % (2 * len(self._slots))
                self._spawn(slot)
                if self._wait_for(page.seq(), timeout, slots=[slot]):
                    reason = _tail(places.worker_logs(self._settings.state) / f"{slot.number}.log")
                    _end(slot.process, 0.0)
                    slot.process, slot.number = old, before
                    raise BusyError(
                        what=f"the new worker {slot.number} did not get ready within {timeout:g} seconds",
                        why=reason or "it printed nothing",
                        fix="mend that and restart again; the workers before go on",
                    )
                _end(old, 2 * self._settings.grace + 1.0)

    def alive(self) -> tuple[int, ...]:
        """Return the process ids of the living workers, by slot."""
        return tuple(
            slot.process.pid for slot in self._slots if slot.process is not None and slot.process.poll() is None
        )

    def prepare(self, versions: Iterable[int], timeout: float, *, model: str | None = None) -> Mapping[int, str]:
        """Wait until every worker holds the versions; return those that can't serve, with the reason.

        Write a route that names them in `loaded` first: that is what makes workers load. A version counts as refused
        when one worker refuses it, or when a worker has not answered within `timeout` seconds. `model` is needed only
        when the routes name more than one model.
        """
        page = RoutePage(places.route_page(self._settings.state))
        seq, table = page.read()
        models = {route.model for route in table.values()}
        if model is None and len(models) > 1:
            raise DetentError(
                what="prepare() needs to know which model is meant",
                why=f"the routes name {', '.join(sorted(models))}",
                fix="pass `model=`",
            )
        name = model or next(iter(models), "")
        late = self._wait_for(seq, timeout)
        refused: dict[int, str] = {}
        for number in versions:
            reason = self._why_refused(f"{name}/{number}", late, timeout)
            if reason:
                refused[number] = reason
        return refused

    def settle(self, timeout: float) -> bool:
        """Wait until no worker has shadow rows left to score; True when that is so, False after `timeout` seconds."""
        folder = places.counter_files(self._settings.state)
        deadline = time.monotonic() + timeout
        mine = {slot.number for slot in self._slots}
        while any(numbers["shadow_pending"] for slot, numbers in read_numbers(folder).items() if slot in mine):
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS / 10)
        return True

    def _why_refused(self, version: str, late: list[int], timeout: float) -> str:
        if late:
            return f"worker {late[0]} did not answer within {timeout:g} seconds"
        folder = places.acknowledgements(self._settings.state)
        for slot in self._slots:
            said = acknowledge.read(folder, slot.number)
            if said is None or version not in said.ready:
                reasons = {} if said is None else said.refused
                return reasons.get(version, "no route names it, so no worker loads it")
        return ""

    def _wait_for(self, seq: int, timeout: float, *, slots: Sequence[_Slot] | None = None) -> list[int]:
        """Wait until the slots' present workers (of all, if None) acknowledged `seq`; return the slots that did not."""
        folder = places.acknowledgements(self._settings.state)
        deadline = time.monotonic() + timeout
        while True:
            waiting = [slot.number for slot in slots or self._slots if not _acknowledged(folder, slot, seq)]
            if not waiting or time.monotonic() > deadline:
                return waiting
            time.sleep(_LOOK_SECONDS / 4)

    def _bind(self) -> list[_Slot]:
        """Take the ports."""
        settings = self._settings
        public = listeners(settings.host, settings.port, settings.slots, key="serving.port", patience=settings.grace)
        manage: list[socket.socket] = []
        if settings.manage is not None:
            host, port = settings.manage
            try:
                manage = listeners(host, port, settings.slots, key="serving.manage.port", patience=settings.grace)
            except BusyError:
                for listener in public:
                    listener.close()
                raise
        return [_Slot(number, listener, manage[number] if manage else None) for number, listener in enumerate(public)]

    def _spawn(self, slot: _Slot) -> None:
        descriptor, manage = slot.listener.fileno(), None if slot.manage is None else slot.manage.fileno()
        life = secrets.token_hex(8)
        argument = to_argument(self._settings.worker(slot.number, descriptor, life, manage))
        with _open_log(places.worker_logs(self._settings.state) / f"{slot.number}.log") as log:
            slot.process = subprocess.Popen(
                [*self._settings.entry, argument],
                pass_fds=(descriptor,) if manage is None else (descriptor, manage),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in a terminal reaches the whole foreground group; only the supervisor decides when workers end.
                start_new_session=True,
            )
        slot.life, slot.started = life, time.monotonic()

    def _watch(self) -> None:
        """Replace workers that died, at a pace that a broken worker can't turn into a storm."""
        while not self._stopping.wait(_LOOK_SECONDS):
            for slot in self._slots:
                if self._changing.acquire(blocking=False):
                    try:
                        self._revive(slot)
                    finally:
                        self._changing.release()

    def _revive(self, slot: _Slot) -> None:
        process = slot.process
        if process is None or process.poll() is None:
            return
        lived = time.monotonic() - slot.started
        if lived >= _HEALTHY_SECONDS:
            slot.pause = _FIRST_PAUSE
        if lived < slot.pause:
            return
        LOG.warning("action=restart slot=%d pid=%d status=%s", slot.number, process.pid, process.returncode)
        slot.pause = min(slot.pause * 2, _LONGEST_PAUSE)
        self.restarts += 1
        with suppress(OSError):  # no memory, no processes left: tried again at the next look
            self._spawn(slot)


def _end(process: subprocess.Popen[bytes] | None, seconds: float) -> None:
    """Ask a process to end, and make it when it does not within some seconds."""
    if process is None:
        return
    process.terminate()
    try:
        process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _acknowledged(folder: Path, slot: _Slot, seq: int) -> bool:
    said = acknowledge.read(folder, slot.number)
    return said is not None and said.life == slot.life and said.page_seq >= seq


def _open_log(path: Path) -> BinaryIO:
    try:
        return path.open("ab")
    except OSError as error:
        raise StoreError(
            what="a worker's log can't be opened",
            why=f"the operating system says: {error.strerror or error}",
            fix="mend the folder's permissions or free some disk space",
        ) from error


def _tail(path: Path) -> str:
    with suppress(OSError):
        return path.read_bytes()[-2000:].decode(errors="replace").strip()
    return ""
