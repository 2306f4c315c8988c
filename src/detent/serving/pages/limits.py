"""How often and how much a key may ask: one rate and one number of open requests for all workers of a host.

The state lies in a shared file, a row of 64-bit numbers per key, so a caller on a single connection (which one worker
has to itself) gets its whole rate, and one that spreads over all workers gets no more. Nobody locks: two workers that
look at the same moment may both say yes, so up to one request per worker can be let in above the limit.

Rate: the generic cell rate algorithm. One number per key, the "theoretical arrival time": a request is let in when that
time lies at most `(burst - 1) / rate` ahead, and moves it by `1 / rate`.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from detent.errors import Place, StoreError

WORKERS = 512  # most workers that count open requests: two for each place, while one takes over from the other
_ROW = (1 + WORKERS) * 8  # bytes: the arrival time, and the open requests of each worker


class Meter:
    """What one key has used, as one worker sees it. Time is `perf_counter()`, which a host's processes share."""

    __slots__ = ("_ahead", "_mine", "_most", "_open", "_step", "_times")

    def __init__(self, row: memoryview, slot: int, workers: int, *, rate: float, burst: int, concurrency: int) -> None:
        self._times = row[:8].cast("d")
        self._open = row[8 : 8 + 8 * workers].cast("Q")
        self._mine, self._most = slot, concurrency
        self._step = 1.0 / rate if rate else 0.0
        self._ahead = self._step * (burst - 1)

    def take(self, now: float) -> float:
        """Let a request in and return 0, or return the seconds after which it may come again."""
        step = self._step
        if not step:
            return 0.0
        times, latest = self._times, now + self._ahead
        due = times[0]
        # Further ahead than any request can have put it: the machine was started anew, or the limit was changed.
        if due < now or due > latest + step:
            due = now
        if due > latest:
            return due - latest
        times[0] = due + step
        return 0.0

    def enter(self) -> bool:
        """Count an open request; False when there are as many as there may be."""
        most = self._most
        if most and sum(self._open) >= most:
            return False
        self._open[self._mine] += 1
        return True

    def leave(self) -> None:
        """The request was answered."""
        if self._open[self._mine]:  # a successor of this worker may have begun to count anew
            self._open[self._mine] -= 1


class Meters:
    """The shared file, as the worker in one slot uses it."""

    def __init__(self, path: Path, rows: int, *, slot: int, workers: int) -> None:
        self._path, self._rows = path, rows
        self._slot, self._workers = slot, max(2 * workers, slot + 1)
        self._places = {slot, (slot + workers) % (2 * workers)}  # of this worker and the one that it replaces
        self._data: memoryview | None = None
        self._mine: set[int] = set()  # rows that this process counts in

    def meter(self, row: int, *, rate: float, burst: int, concurrency: int) -> Meter:
        """Return what the key in a row has used. The first call makes the file.

        Raises:
            StoreError: it can't be made.
        """
        if self._data is None:
            self._data = _mapped(self._path, self._rows * _ROW)
        data = self._data[row * _ROW : (row + 1) * _ROW]
        if row not in self._mine:
            self._mine.add(row)
            for place in self._places:  # what was open in an earlier life: nobody waits any more
                data[8 + 8 * place : 16 + 8 * place] = bytes(8)
        return Meter(data, self._slot, self._workers, rate=rate, burst=burst, concurrency=concurrency)


def _mapped(path: Path, size: int) -> memoryview:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size != size:
                os.ftruncate(descriptor, size)
            return memoryview(mmap.mmap(descriptor, size))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(
            what="the limits of API keys can't be kept",
            why=f"the operating system says: {error.strerror or error}",
            fix="mend the folder's permissions or free some disk space",
            where=Place(file=str(path)),
        ) from error
