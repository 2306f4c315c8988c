"""The calls of one version: rows that wait together share one, and a slow version's calls leave the event loop free.

There is no window and no timer. While a call runs, what arrives waits and makes the next one; nothing waits for
company. A version that fails again and again is not asked for a while (`breaker`).
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

from detent.serving.models.breaker import CLOSED, Breaker
from detent.serving.models.loaded import INLINE_SECONDS, LoadedVersion
from detent.serving.models.scoring import MAX_ERROR, Outcome, score
from detent.serving.rows.validate import Row

CALL_SECONDS = 10.0  # that a call in the thread may take, whatever its callers say
_MOST_STUCK = 2  # calls that hang, above which no other is begun
LONGEST_SECONDS = 30.0  # that a caller may wait, whatever it asks for
_FULL = 0.9  # share of the time limit that rows may wait; more would be too late
_RECENT = 0.2  # weight of the newest call in how much slower than measured calls are
_DEMOTED = 5  # calls in a row that are far slower than measured, after which a version goes into a thread
LATE = Outcome(None, "the request's deadline had passed before the model was free", 0.0)
FULL = Outcome(None, "not asked: too many rows wait for this version", 0.0)
STUCK = Outcome(None, "the model hangs: earlier calls of it have not ended", 0.0)
STOPPED = Outcome(None, "the server is stopping", 0.0)


def unasked(outcome: Outcome) -> bool:
    """Tell whether no version was asked, so that none is to blame."""
    return outcome is LATE or outcome is STOPPED


T = TypeVar("T")  # whatever a row belongs to; handed back with its outcome
Told = Callable[[Sequence[T], Sequence[Outcome]], None]
Changed = Callable[[LoadedVersion, str], None]  # told the state of a version's breaker when it changes
Gone = Callable[[T], bool]  # whether nobody waits any more for what a row belongs to


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

    def __init__(
        self,
        version: LoadedVersion,
        told: Told[T],
        *,
        timeout: float = LONGEST_SECONDS,
        changed: Changed | None = None,
        gone: Gone[T] | None = None,
        timer: Callable[[], float] = perf_counter,
    ) -> None:
        """`timeout` (seconds): rows that would have to wait longer are not taken. `timer`: the breaker's seconds."""
        self.version, self._timer = version, timer
        self.busy = False  # a call is under way in the thread, or the next one is scheduled
        self._told, self._timeout, self._changed, self._gone = told, timeout, changed, gone
        self._breaker = Breaker()
        self._pace = version.pace
        self._per_row = version.pace.per_row
        self._inline = version.pace.inline
        self._waiting: deque[_Waiting[T]] = deque()
        self._thread: ThreadPoolExecutor | None = None
        self._slow = 0
        self._stuck = 0  # calls that were left behind and have not ended
        self._drag = 1.0  # how much slower calls in the thread are than they were measured
        self._free = 0.0  # perf_counter() at which the call that is under way should end
        self._closing = False

    @property
    def wait(self) -> float:
        """Seconds until a row that is asked now would be answered, as far as measurements tell.

        Nothing for a version that is not asked at present: its rows go elsewhere at once.
        """
        if self._breaker.state != CLOSED:
            return 0.0
        pace = self._pace
        calls, rest = divmod(len(self._waiting) + 1, pace.rows)
        ahead = calls * pace.seconds(pace.rows) + (pace.seconds(rest) if rest else 0.0)
        return ahead * self._drag + (max(0.0, self._free - perf_counter()) if self.busy else 0.0)

    @property
    def queued(self) -> int:
        """Rows that wait for the call that is under way to end."""
        return len(self._waiting)

    def ask(self, items: Sequence[T], rows: Sequence[Row], deadlines: Sequence[float]) -> None:
        """Score rows and tell each item's outcome: before this returns when the version is quick and idle."""
        if self._breaker.state != CLOSED:
            tried = int(self._breaker.admits(self._timer()))
            self._short_circuit(items[tried:])
            items, rows, deadlines = items[:tried], rows[:tried], deadlines[:tried]
        elif self.busy and self.wait > _FULL * self._timeout:
            self._told(items, [FULL] * len(items))
            return
        if not items:
            return
        if self._inline and not self.busy and len(items) <= self._pace.rows:
            self._told(items, self._call(rows))
            return
        self._waiting.extend(map(_Waiting, items, rows, deadlines))
        if not self.busy:
            self._next()

    def close(self) -> None:
        """Let go of the thread once what waits is answered; a call that is under way ends by itself."""
        self._closing = True
        if not self.busy:
            self._let_go()

    def _let_go(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    def _next(self) -> None:
        batch = self._take()
        if not batch:
            self.busy = False
            self._breaker.gave_up()  # the row to try with came too late
            if self._closing:
                self._let_go()
            return
        self.busy = True
        loop, rows = asyncio.get_running_loop(), [one.row for one in batch]
        if self._inline:
            self._tell(batch, self._call(rows))
            loop.call_soon(self._next)  # requests that arrived meanwhile are read first
            return
        if self._stuck >= _MOST_STUCK:
            self._note(0, STUCK.error)
            self._tell(batch, [STUCK] * len(batch))
            loop.call_soon(self._next)
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"version-{self.version.number}")
        call = _Call(batch, perf_counter())
        self._free = call.began + self._pace.seconds(len(rows)) * self._drag
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
            ratio = (perf_counter() - call.began) / max(self._pace.seconds(len(call.batch)), 1e-6)
            self._drag += _RECENT * (ratio - self._drag)
            if not done.cancelled():
                self._judge(outcomes)
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
        self._note(0, f"a call has not ended after {taken:.3g} s")
        self._let_go()
        self._next()

    def _take(self) -> list[_Waiting[T]]:
        """Return the next batch without what is too late or whose sender has hung up: nobody waits for that."""
        now, batch, late = perf_counter(), [], []
        while self._waiting and len(batch) < self._pace.rows:
            one = self._waiting.popleft()
            waits = now < one.deadline and not (self._gone is not None and self._gone(one.item))
            (batch if waits else late).append(one)
        self._tell(late, [LATE] * len(late))
        return batch

    def _call(self, rows: Sequence[Row]) -> list[Outcome]:
        began = perf_counter()
        outcomes = score(self.version, rows)
        # Measured on idle golden rows; a version that really takes much longer must not hold the loop.
        slow = perf_counter() - began > max(2 * self._per_row * len(rows), 5 * INLINE_SECONDS)
        self._slow = self._slow + 1 if slow else 0
        self._inline = self._inline and self._slow < _DEMOTED
        self._judge(outcomes)
        return outcomes

    def _judge(self, outcomes: Sequence[Outcome]) -> None:
        """Tell the breaker about a call: it failed when at least half of its rows did.

        By calls and not by rows: one request with many bad rows must not take a version from everybody else.
        """
        failed = [outcome for outcome in outcomes if outcome.score is None]
        self._note(len(outcomes) - 2 * len(failed), failed[-1].error if failed else "")

    def _note(self, good: int, why: str) -> None:
        breaker, before = self._breaker, self._breaker.state
        if good > 0:
            breaker.succeeded()
        else:
            breaker.failed(self._timer(), why)
        if breaker.state != before and self._changed is not None:
            self._changed(self.version, breaker.state)

    def _short_circuit(self, items: Sequence[T]) -> None:
        """Answer for a version that is not asked; with what was seen of it, for who reads the log."""
        if items:
            error = f"not asked: the circuit breaker is {self._breaker.state} ({self._breaker.reason})"
            self._told(items, [Outcome(None, error[:MAX_ERROR], 0.0)] * len(items))

    def _tell(self, batch: Sequence[_Waiting[T]], outcomes: Sequence[Outcome]) -> None:
        for one in batch:
            one.open = False
        if batch:
            self._told([one.item for one in batch], outcomes)
