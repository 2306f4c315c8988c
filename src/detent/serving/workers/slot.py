"""One place for a worker: a listening socket that stays, and the process that answers on it now."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from detent.errors import StoreError
from detent.serving import places
from detent.serving.workers import acknowledge
from detent.serving.workers.settings import SupervisorSettings, to_argument

FIRST_PAUSE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One process in a place."""

    number: int  # of its counters, its log and its acknowledgement
    process: subprocess.Popen[bytes]
    name: str  # tells it from every other one: process ids repeat
    started: float  # monotonic()

    @property
    def dead(self) -> bool:
        """True once the process has ended."""
        return self.process.poll() is not None

    def said(self, state: Path) -> acknowledge.Acknowledgement | None:
        """Return what it says of versions; None when it has said nothing yet."""
        found = acknowledge.read(places.acknowledgements(state), self.number)
        return found if found is not None and found.life == self.name else None

    def last_words(self, state: Path) -> str:
        """Return the end of its log; "" when there is none."""
        with suppress(OSError):
            return log_of(state, self.number).read_bytes()[-2000:].decode(errors="replace").strip()
        return ""

    def end(self, seconds: float) -> None:
        """Ask the process to end, and make it when it does not within some seconds."""
        self.process.terminate()
        try:
            self.process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Slot:
    """The sockets of a place and who has it."""

    def __init__(self, listener: socket.socket, manage: socket.socket | None) -> None:
        self.listener = listener
        self.manage = manage  # the same for the management port
        self.life: Life | None = None  # None: nobody yet, or no more
        self.pause = FIRST_PAUSE  # seconds that a process has to live before it is replaced when it dies

    def spawn(self, settings: SupervisorSettings, number: int) -> Life:
        """Start a process here; it takes connections beside the one before until that one ends.

        Raises:
            StoreError: its log can't be opened.
            OSError: the machine has no room for a process.
        """
        descriptor, manage = self.listener.fileno(), None if self.manage is None else self.manage.fileno()
        name = secrets.token_hex(8)
        argument = to_argument(settings.worker(number, descriptor, name, manage))
        with _open_log(log_of(settings.state, number)) as log:
            process = subprocess.Popen(
                [*settings.entry, argument],
                pass_fds=(descriptor,) if manage is None else (descriptor, manage),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in a terminal reaches the whole foreground group; only the supervisor decides when workers end.
                start_new_session=True,
            )
        return Life(number=number, process=process, name=name, started=time.monotonic())

    def close(self) -> None:
        """Let go of the sockets."""
        self.listener.close()
        if self.manage is not None:
            self.manage.close()


def log_of(state: Path, number: int) -> Path:
    """Return where the processes of a number print to."""
    return places.worker_logs(state) / f"{number}.log"


def _open_log(path: Path) -> BinaryIO:
    try:
        return path.open("ab")
    except OSError as error:
        raise StoreError(
            what="a worker's log can't be opened",
            why=f"the operating system says: {error.strerror or error}",
            fix="mend the folder's permissions or free some disk space",
        ) from error
