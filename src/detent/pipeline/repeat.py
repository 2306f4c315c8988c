"""What has to be done again and again while something goes on: one thread of the process does it for all who ask.

A step may take less time than it takes to start a thread for it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator


class Repeater:
    """Calls actions every so many seconds, in a thread that starts with the first of them and then stays."""

    def __init__(self, seconds: Callable[[], float], *, name: str) -> None:
        self._seconds, self._name = seconds, name
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # threads stay behind, and so does who waits for a lock

    def _begin(self) -> None:
        self._actions: dict[object, Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._wanted = threading.Event()  # set while there is, or has just been, something to do
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def calling(self, action: Callable[[], None]) -> Iterator[None]:
        """Call `action` in the other thread for as long as the block runs, first after at most that time.

        The end of the block does not wait for a call that has begun. An action must not raise.
        """
        mark = object()
        with self._lock:
            self._actions[mark] = action
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name=self._name)
                self._thread.start()
        if not self._wanted.is_set():
            self._wanted.set()
        try:
            yield
        finally:
            with self._lock:
                self._actions.pop(mark, None)

    def _work(self) -> None:
        while self._wanted.wait():
            time.sleep(self._seconds())
            with self._lock:
                actions = list(self._actions.values())
                if not actions:
                    self._wanted.clear()
            for action in actions:
                action()
