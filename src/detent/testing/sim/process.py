"""A process that can die: everything it reaches outside goes through `port`, and a dead one reaches nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Crash(BaseException):
    """The process is gone. No `except Exception` may catch it, as none can catch a power cut."""


class Process:
    """One life of one process. `watch` is called at each port, and may raise `Crash` or an error of the store."""

    def __init__(self, name: str, watch: Callable[[Process, str, str], None]) -> None:
        self.name, self._watch = name, watch
        self.alive = True
        self.calls = 0  # in this step
        self.depth = 0  # transactions that are open
        self.doomed: int | None = None  # calls that are left, once it was decided that it dies
        self.thread = threading.get_ident()

    def port(self, call: str, sql: str = "") -> None:
        """Leave the process, for a call of this kind; `sql` is what it writes.

        Raises:
            Crash: the process is dead, or dies here.
            DetentError: what the call reaches refuses it.
        """
        if not self.alive:
            raise Crash(self.name)
        self.calls += 1
        self._watch(self, call, sql)

    def die(self) -> None:
        """Be gone."""
        self.alive = False
        raise Crash(self.name)

    @property
    def switchable(self) -> bool:
        """True where another process may be let run: no transaction is open, and this is the process' own thread."""
        return self.alive and not self.depth and threading.get_ident() == self.thread
