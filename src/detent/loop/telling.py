"""Beside the controller: alerts are sent, gauges written, and somebody asks whether the controller still looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from detent.errors import DetentError
from detent.loop.alerts.channels import send_due
from detent.loop.alerts.stale import check_stale
from detent.loop.watching.gauges import write_gauges
from detent.loop.workspace import Workspace

EVERY = 1.0  # seconds between two looks at the outbox
SENDING = 30.0  # seconds that one look at the outbox may take; nobody waits for it
SLOWER = 15.0  # seconds between two writings of gauges and two checks of the monitor


class Telling:
    """A thread that tells people and Prometheus what the controller found, however busy that one is.

    A part that fails is told once, and tried again at its next turn; the others go on.
    """

    def __init__(self, ws: Workspace, *, tell: Callable[[str], None], every: float = EVERY) -> None:
        self._ws, self._tell, self._every = ws, tell, every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="detent-telling", daemon=True)
        self._faults: dict[str, str] = {}

    def __enter__(self) -> Telling:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5.0)  # a send that hangs is in a thread of its own

    def _run(self) -> None:
        next_slow = time.monotonic()
        while not self._stop.wait(self._every):
            self._safely("sending alerts", lambda: send_due(self._ws, seconds=SENDING))
            if time.monotonic() >= next_slow:
                next_slow = time.monotonic() + SLOWER
                self._safely("checking the monitor", lambda: check_stale(self._ws))
                self._safely("writing gauges", lambda: write_gauges(self._ws))

    def _safely(self, name: str, do: Callable[[], object]) -> None:
        try:
            do()
        except DetentError as error:
            if self._faults.get(name) != error.what:
                self._tell(f"{name} failed: {error.what} ({error.why})")
            self._faults[name] = error.what
        else:
            self._faults.pop(name, None)
