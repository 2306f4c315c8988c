"""A serving process without sockets: the real gateway, versions, admission and log, driven turn by turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from time import perf_counter

import msgspec

from detent.errors import StoreError
from detent.records.log import LogPlan
from detent.serving import places
from detent.serving.counts.counters import Counters
from detent.serving.identifiers import PredictionIds, load_or_create_key
from detent.serving.logs.log import PredictionLog
from detent.serving.models.lanes import Lane
from detent.serving.models.loaded import LoadedVersion
from detent.serving.models.versions import Versions
from detent.serving.pages.routes import RoutePage
from detent.serving.predict.endpoints import Endpoints
from detent.serving.predict.gateway import Gateway, reader_of
from detent.serving.predict.granules import Counting, store
from detent.serving.predict.shadows import Shadows
from detent.serving.predict.tickets import Ticket
from detent.serving.problems import Problem
from detent.serving.rows.answers import Line
from detent.store.turns import LogRow
from detent.testing.sim.clock import WrongClock
from detent.testing.sim.process import Crash, Process

LOG, LOGGED = "log", "logged"
PATIENCE = 120.0  # real seconds that a request may take: nothing here depends on how fast this machine is
Admit = Callable[[str, int], LoadedVersion]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request of one row."""

    name: str  # what the caller calls it
    entity: str
    inputs: Mapping[str, object]
    label: float | str  # what will turn out to be true: a number, or the name of a class


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came back for it."""

    asked: Asked
    line: Line | None  # None: refused, or nothing came back
    status: int


class MortalLog(PredictionLog):
    """A prediction log whose process may die: then nothing is finished and the kernel closes the files."""

    def __init__(self, folder: Path, owner: str, process: Process, *, key: bytes, counters: Counters) -> None:
        super().__init__(folder, owner, plan=LogPlan(), key=key, counters=counters)
        self._process = process

    def append(self, rows: Sequence[LogRow], now: datetime, *, left_out: int = 0) -> bool:
        """Write rows; the shadows' thread passes no port of its own."""
        if not self._process.switchable:
            return super().append(rows, now, left_out=left_out)
        self._process.port(LOG)
        written = super().append(rows, now, left_out=left_out)
        self._process.port(LOGGED)
        return written

    def die(self) -> None:
        """Let go of the live segment as a killed process does: it is neither synced nor sealed."""
        with self._lock:
            self._writer.abandon()
        self._syncer.close()


class _Heard(Shadows):
    """Shadows whose end can be waited for."""

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is queued or being scored; False when that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, seconds)

    def _set_waiting(self, rows: int) -> None:
        super()._set_waiting(rows)
        if not rows:
            self._changed.notify_all()


MakeLog = Callable[..., MortalLog]


class ServingProcess:
    """One life of a serving process."""

    def __init__(
        self, state: Path, endpoint: str, clock: WrongClock, process: Process, *, admit: Admit, log: MakeLog = MortalLog
    ) -> None:
        self.process, self._clock, self._endpoint = process, clock, endpoint
        self._page = RoutePage(places.route_page(state))
        self._counters = Counters(places.counter_files(state), 0)
        key = load_or_create_key(places.prediction_key(state))
        self.ids = PredictionIds(key, slot=0, start=self._counters.get("starts"))
        self.versions = Versions(admit, partial(self._counters.add, "loads"))
        lane = partial(Lane, timeout=PATIENCE, timer=self._seconds)
        self._endpoints = Endpoints(self._page, self.versions, {}, (endpoint,), lane=lane)
        self._log = log(places.segments(state), "w0", process, key=key, counters=self._counters)
        self._shadows = _Heard(self._counters, self._log)
        self._counting = Counting(places.profiles(state), "w0", life=f"{self._counters.get('starts'):04d}")
        self._gateway = Gateway(
            endpoints=self._endpoints,
            counters=self._counters,
            ids=self.ids,
            log=self._log,
            shadows=self._shadows,
            clock=clock,
            see=self._counting.see,
        )
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._raised)
        self._fault: BaseException | None = None
        self._over = asyncio.Event()  # all of a turn's requests have their answer, or the process died
        self.followed = -1

    @property
    def counters(self) -> Counters:
        """The process' own numbers."""
        return self._counters

    @property
    def classes(self) -> list[str]:
        """All classes that its versions know: labels are these."""
        return sorted({name for endpoint in self._endpoints.table().values() for name in endpoint.classes})

    @property
    def behind(self) -> bool:
        """True when the routes have changed since they were last looked at."""
        return self._page.seq() != self.followed

    def follow(self) -> None:
        """Bring the versions in line with the newest routes."""
        seq, table = self._page.read()
        self.versions.follow(tuple(table.values()))
        self.followed = seq

    def pause(self) -> None:
        """Do what a process does between requests: end the log's day, write down what was counted."""
        self._log.turn(self._clock.now())
        store(self._counting.changed())

    def ask(self, requests: Sequence[Asked]) -> list[Answered]:
        """Answer requests that arrive together.

        Raises:
            Crash: the process died on the way.
        """
        return self._loop.run_until_complete(self._turn(requests))

    def close(self) -> None:
        """Stop as when told to."""
        self._shadows.close(PATIENCE)
        self._endpoints.close()
        self._log.close()
        self._counting.close()
        self._counters.close()
        self._loop.close()

    def bury(self) -> None:
        """Do what the kernel does for a dead process: locks and files are free."""
        self._shadows.close(PATIENCE)
        self._endpoints.close()
        self._log.die()
        self._counters.close()
        self._loop.close()

    async def _turn(self, requests: Sequence[Asked]) -> list[Answered]:
        told: dict[int, Sequence[Line] | Problem] = {}

        def tell(number: int, answer: Sequence[Line] | Problem) -> None:
            told[number] = answer
            if len(told) == len(requests):
                self._over.set()

        self._over.clear()
        for number, asked in enumerate(requests):
            try:
                self._accept(asked, partial(tell, number))
            except Problem as problem:
                tell(number, problem)
        if requests:
            await asyncio.wait_for(self._over.wait(), PATIENCE)
        if not self._shadows.wait(PATIENCE):
            raise TimeoutError("shadows do not come to an end")
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
        return [_answered(asked, told[number]) for number, asked in enumerate(requests)]

    def _accept(self, asked: Asked, done: Callable[[Sequence[Line] | Problem], None]) -> None:
        endpoint = self._endpoints.find(self._endpoint)
        reader = endpoint.reader or reader_of(endpoint)
        if reader is None:
            reader = endpoint.reader_for(endpoint.route.arms[0].version)
        body = msgspec.json.encode({"inputs": [asked.inputs], "entities": [asked.entity]})
        ticket = Ticket(endpoint, perf_counter() + PATIENCE, asked.name, lambda _, told: done(told))
        self._gateway.accept(ticket, reader.read(body))

    def _raised(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Keep what a callback raised: asyncio would go on as if nothing had happened."""
        del loop
        raised = context.get("exception")
        self._fault = raised if isinstance(raised, BaseException) else StoreError(what=str(context), why="", fix="")
        self._over.set()

    def _seconds(self) -> float:
        return self._clock.true().timestamp()


def _answered(asked: Asked, told: Sequence[Line] | Problem) -> Answered:
    if isinstance(told, Problem):
        return Answered(asked=asked, line=None, status=told.status)
    return Answered(asked=asked, line=told[0], status=200)


__all__ = ["Answered", "Asked", "Crash", "MortalLog", "ServingProcess"]
