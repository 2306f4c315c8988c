"""The calls of one version: rows that wait together share one, and a slow version's calls leave the event loop free.

There is no window and no timer. While a call runs, what arrives waits and makes the next one; nothing waits for
company.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Generic, TypeVar

from detent.serving.loaded import INLINE_SECONDS, LoadedVersion
from detent.serving.scoring import Outcome, score
from detent.serving.validate import Row

CALL_SECONDS = 10.0  # that a call in the thread may take, whatever its callers say
_MOST_STUCK = 2  # calls that hang, above which no other is begun
_DEMOTED = 5  # calls in a row that are far slower than measured, after which a version goes into a thread
LATE = Outcome(None, "the request's deadline had passed before the model was free", 0.0)
STUCK = Outcome(None, "the model hangs: earlier calls of it have not ended", 0.0)
STOPPED = Outcome(None, "the server is stopping", 0.0)

T = TypeVar("T")  # whatever a row belongs to; handed back with its outcome
Told = Callable[[Sequence[T], Sequence[Outcome]], None]


@dataclass(slots=True)
class _Waiting(Generic[T]):
    item: T
    row: Row
    deadline: float  # perf_counter()
    open: bool = True  # nobody was told its outcome yet


@dataclass(slots=True)
class _Call(Generic[T]):
    """A call in the thread."""

    batch: Sequence[_Waiting[T]]
    began: float  # perf_counter()
    timer: asyncio.TimerHandle | None = None
    abandoned: bool = False


class Lane(Generic[T]):
    """One version's queue. All methods are called on the event loop's thread."""

    def __init__(self, version: LoadedVersion, told: Told[T]) -> None:
        self.version = version
        self._told = told
        self._pace = version.pace
        self._inline = version.pace.inline
        self._waiting: deque[_Waiting[T]] = deque()
        self._busy = False  # a call is under way in the thread, or the next one is scheduled
        self._thread: ThreadPoolExecutor | None = None
        self._slow = 0
        self._stuck = 0  # calls that were left behind and have not ended

    @property
    def wait(self) -> float:
        """Seconds until a row that is asked now would be answered, as far as measurements tell."""
        return (len(self._waiting) + (self._pace.rows if self._busy else 0) + 1) * self._pace.per_row

    def ask(self, items: Sequence[T], rows: Sequence[Row], deadlines: Sequence[float]) -> None:
        """Score rows and tell each item's outcome: before this returns when the version is quick and idle."""
        if self._inline and not self._busy and len(items) <= self._pace.rows:
            self._told(items, self._call(rows))
            return
        self._waiting.extend(map(_Waiting, items, rows, deadlines))
        if not self._busy:
            self._next()

    def close(self) -> None:
        """Let go of the thread; a call that is under way ends by itself."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _next(self) -> None:
        batch = self._take()
        if not batch:
            self._busy = False
            return
        self._busy = True
        loop, rows = asyncio.get_running_loop(), [one.row for one in batch]
        if self._inline:
            self._tell(batch, self._call(rows))
            loop.call_soon(self._next)  # requests that arrived meanwhile are read first
            return
        if self._stuck >= _MOST_STUCK:
            self._tell(batch, [STUCK] * len(batch))
            loop.call_soon(self._next)
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"version-{self.version.number}")
        call = _Call(batch, perf_counter())
        future = loop.run_in_executor(self._thread, score, self.version, rows)
        future.add_done_callback(partial(self._thread_done, call))
        self._watch(call)

    def _thread_done(self, call: _Call[T], done: asyncio.Future[list[Outcome]]) -> None:
        if call.timer is not None:
            call.timer.cancel()
        outcomes = [STOPPED] * len(call.batch) if done.cancelled() else done.result()
        open_ones = [place for place, one in enumerate(call.batch) if one.open]
        self._tell([call.batch[place] for place in open_ones], [outcomes[place] for place in open_ones])
        if call.abandoned:
            self._stuck -= 1
        else:
            self._next()

    def _watch(self, call: _Call[T]) -> None:
        """Look at a call again when the next of its callers stops waiting, or when it takes too long for anybody."""
        next_one = min((one.deadline for one in call.batch if one.open), default=call.began + CALL_SECONDS)
        at = min(next_one, call.began + CALL_SECONDS)
        call.timer = asyncio.get_running_loop().call_later(max(0.0, at - perf_counter()) + 0.001, self._overdue, call)

    def _overdue(self, call: _Call[T]) -> None:
        """Answer whoever can wait no longer. The version is to blame: it had the rows."""
        now = perf_counter()
        taken = now - call.began
        hangs = taken >= CALL_SECONDS
        late = [one for one in call.batch if one.open and (hangs or one.deadline <= now)]
        self._tell(late, [Outcome(None, f"the model has not answered within {taken:.3g} s", taken)] * len(late))
        if not hangs:
            self._watch(call)
            return
        # A thread can't be ended. It is left behind, and what waits goes to a new one; two are enough to give up.
        call.abandoned, self._stuck = True, self._stuck + 1
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None
        self._next()

    def _take(self) -> list[_Waiting[T]]:
        """Return the next batch without what is too late; nobody waits for that any more, so it is not computed."""
        now, batch, late = perf_counter(), [], []
        while self._waiting and len(batch) < self._pace.rows:
            one = self._waiting.popleft()
            (batch if now < one.deadline else late).append(one)
        self._tell(late, [LATE] * len(late))
        return batch

    def _call(self, rows: Sequence[Row]) -> list[Outcome]:
        began = perf_counter()
        outcomes = score(self.version, rows)
        # Measured on idle golden rows; a version that really takes much longer must not hold the loop.
        slow = perf_counter() - began > max(2 * self._pace.per_row * len(rows), 5 * INLINE_SECONDS)
        self._slow = self._slow + 1 if slow else 0
        self._inline = self._inline and self._slow < _DEMOTED
        return outcomes

    def _tell(self, batch: Sequence[_Waiting[T]], outcomes: Sequence[Outcome]) -> None:
        for one in batch:
            one.open = False
        if batch:
            self._told([one.item for one in batch], outcomes)
