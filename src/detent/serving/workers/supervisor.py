"""Keeps the workers alive and owns their sockets, so that the port outlives any of them."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from detent.errors import BusyError, DetentError, StoreError
from detent.serving import places
from detent.serving.counts.counters import MAX_ENDPOINT, read_numbers
from detent.serving.identifiers import load_or_create_key
from detent.serving.pages import keyring
from detent.serving.pages.routes import RoutePage
from detent.serving.workers.settings import SupervisorSettings
from detent.serving.workers.slot import FIRST_PAUSE, Life, Slot
from detent.serving.workers.sockets import address_of, listeners

LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.02
_LONGEST_PAUSE = 5.0  # between restarts of a worker that dies at once; see `slot.FIRST_PAUSE`
_HEALTHY_SECONDS = 10.0  # a worker that lived this long starts over with the first pause


class Supervisor:
    """N worker processes behind one port; a context manager. `restart` may run beside what another thread does."""

    def __init__(self, settings: SupervisorSettings) -> None:
        for name in settings.endpoints:
            if not name or len(name.encode()) > MAX_ENDPOINT:
                raise DetentError(
                    what=f"the endpoint's name `{name[:120]}` can't be used",
                    why=f"a name has 1 to {MAX_ENDPOINT} bytes",
                    fix="choose a shorter name",
                )
        self._settings = settings
        self._slots: list[Slot] = []
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self._changing = threading.Lock()  # held while a place changes its process
        self._asking = threading.Lock()  # held while it is read what the present processes say of versions
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
            for number, slot in enumerate(self._slots):
                slot.life = slot.spawn(self._settings, number)
        except BaseException:
            self.stop()
            raise
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()
        waiting = self._wait_for(page.seq(), timeout)
        if waiting:
            late = waiting[0]
            self.stop()
            raise BusyError(
                what=f"worker {late.number} did not get ready within {timeout:g} seconds",
                why=late.last_words(state) or "it printed nothing",
                fix=f"look into {places.worker_logs(state)}",
            )

    def stop(self) -> None:
        """Let requests in flight finish, end every worker and free the port. May be called twice."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
        with self._changing:  # a restart that is under way gives up first
            lives = [slot.life for slot in self._slots if slot.life is not None]
        for life in lives:
            life.process.terminate()
        deadline = time.monotonic() + 2 * self._settings.grace + 1.0
        for life in lives:
            life.end(deadline - time.monotonic())
        for slot in self._slots:
            slot.life = None
            slot.close()

    def restart(self, timeout: float = 60.0) -> int:
        """Replace every worker by a fresh process, one after the other, for new code; return how many were replaced.

        A new worker takes connections from its predecessor's socket before that one stops to; the old one answers what
        it has. No connection is refused and no request is lost.

        Raises:
            BusyError: a new worker was not ready in time; it is ended, and its predecessor goes on. Or the supervisor
                stopped meanwhile.
            StoreError: its log can't be opened; its predecessor goes on.
        """
        for slot in self._slots:
            with self._asking, self._changing:
                self._replace(slot, timeout)
        return len(self._slots)

    def _replace(self, slot: Slot, timeout: float) -> None:
        page, old = RoutePage(places.route_page(self._settings.state)), slot.life
        if old is None or self._stopping.is_set():
            raise _stopped()
        # Each place has two numbers in turn: counters, log and acknowledgement have one writer at a time.
        new = slot.spawn(self._settings, (old.number + len(self._slots)) % (2 * len(self._slots)))
        if not self._wait_for(page.seq(), timeout, lives=[new]):
            slot.life = new
            old.end(2 * self._settings.grace + 1.0)
            return
        died = new.dead
        new.end(0.0)
        if self._stopping.is_set():
            raise _stopped()
        raise BusyError(
            what=f"the new worker {new.number} did not get ready" + ("" if died else f" within {timeout:g} seconds"),
            why=new.last_words(self._settings.state) or "it printed nothing",
            fix="mend that and restart again; the workers before go on",
        )

    def alive(self) -> tuple[int, ...]:
        """Return the process ids of the living workers, by slot."""
        return tuple(life.process.pid for life in self._lives() if not life.dead)

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
        with self._asking:
            late = self._wait_for(seq, timeout)
            reasons = {number: self._why_refused(f"{name}/{number}", late, timeout) for number in versions}
        return {number: reason for number, reason in reasons.items() if reason}

    def settle(self, timeout: float) -> bool:
        """Wait until no worker has shadow rows left to score; True when that is so, False after `timeout` seconds."""
        folder = places.counter_files(self._settings.state)
        deadline = time.monotonic() + timeout
        mine = {life.number for life in self._lives()}
        while any(numbers["shadow_pending"] for slot, numbers in read_numbers(folder).items() if slot in mine):
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS / 10)
        return True

    def _lives(self) -> list[Life]:
        return [slot.life for slot in self._slots if slot.life is not None]

    def _why_refused(self, version: str, late: Sequence[Life], timeout: float) -> str:
        if late:
            return f"worker {late[0].number} did not answer within {timeout:g} seconds"
        for life in self._lives():
            said = life.said(self._settings.state)
            if said is None or version not in said.ready:
                reasons = {} if said is None else said.refused
                return reasons.get(version, "no route names it, so no worker loads it")
        return ""

    def _wait_for(self, seq: int, timeout: float, *, lives: Sequence[Life] | None = None) -> list[Life]:
        """Wait until the present workers acknowledged `seq`, and return those that did not.

        With `lives` only these are looked at, and one that has died is not waited for: nobody replaces it.
        """
        deadline = time.monotonic() + timeout
        while True:
            waiting = [life for life in lives or self._lives() if not self._acknowledged(life, seq)]
            given_up = self._stopping.is_set() or (lives is not None and any(life.dead for life in waiting))
            if not waiting or given_up or time.monotonic() > deadline:
                return waiting
            time.sleep(_LOOK_SECONDS / 4)

    def _acknowledged(self, life: Life, seq: int) -> bool:
        said = life.said(self._settings.state)
        return said is not None and said.page_seq >= seq

    def _bind(self) -> list[Slot]:
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
        return [Slot(listener, manage[number] if manage else None) for number, listener in enumerate(public)]

    def _watch(self) -> None:
        """Replace workers that died, at a pace that a broken worker can't turn into a storm."""
        while not self._stopping.wait(_LOOK_SECONDS):
            for slot in self._slots:
                if self._changing.acquire(blocking=False):
                    try:
                        self._revive(slot)
                    finally:
                        self._changing.release()

    def _revive(self, slot: Slot) -> None:
        life = slot.life
        if life is None or not life.dead:
            return
        lived = time.monotonic() - life.started
        if lived >= _HEALTHY_SECONDS:
            slot.pause = FIRST_PAUSE
        if lived < slot.pause:
            return
        LOG.warning("action=restart slot=%d pid=%d status=%s", life.number, life.process.pid, life.process.returncode)
        slot.pause = min(slot.pause * 2, _LONGEST_PAUSE)
        self.restarts += 1
        with suppress(OSError, StoreError):  # no memory, no processes, no space left: tried again at the next look
            slot.life = slot.spawn(self._settings, life.number)


def _stopped() -> BusyError:
    return BusyError(
        what="not every worker was replaced",
        why="the server stopped meanwhile",
        fix="start it again: all of its workers are new then",
    )
