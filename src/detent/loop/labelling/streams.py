"""Streams of labels are read beside the ticks of the controller: a broker that is silent holds no decision back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from detent.predictions.sources.protocol import Batch

T = TypeVar("T")

WAIT = 0.5  # seconds of one look for all streams: what answers within them is stored in the same look


class Streams:
    """What is being read of each stream. Keep one per controller; it is used by one thread."""

    def __init__(self, wait: float = WAIT) -> None:
        self._wait, self._until = wait, 0.0
        self._reading: dict[str, _Call[Batch]] = {}
        self._settling: dict[str, _Call[None]] = {}

    def begin(self) -> None:
        """Begin a look: from now on the time counts that it may wait."""
        self._until = time.monotonic() + self._wait

    def batch(self, name: str, read: Callable[[], Batch]) -> Batch | None:
        """Return the next batch of a stream; None while it is not there: ask again at the next look.

        Raises:
            LabelError: it could not be read, or the last batch could not be settled.
        """
        settling = self._settling.get(name)
        if settling is not None:
            if not settling.ready(self._until):
                return None
            del self._settling[name]
            settling.result()
        reading = self._reading.get(name)
        if reading is None:
            reading = self._reading[name] = _Call(read)
            if not reading.ready(self._until):
                return None
        elif not reading.ready(0.0):
            return None
        del self._reading[name]
        return reading.result()

    def settle(self, name: str, tell: Callable[[], None]) -> None:
        """Tell a stream that its batch is stored. What takes longer than the look may is left to the next one.

        Raises:
            LabelError: it refused.
        """
        settling = _Call(tell)
        if settling.ready(self._until):
            settling.result()
        else:
            self._settling[name] = settling


class _Call(Generic[T]):
    """A call in a thread of its own, which ends with the process."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work, self._done = work, threading.Event()
        self._result: list[T] = []
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="labels", daemon=True).start()

    def ready(self, until: float) -> bool:
        """Wait until it is done, or a moment of the monotonic clock has come."""
        return self._done.wait(max(0.0, until - time.monotonic()))

    def result(self) -> T:
        """Return what came of it, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:  # noqa: BLE001  (whoever asks for the result gets it)
            self._error = error
        finally:
            self._done.set()
