"""What all parts of a simulated week share: the clock, the faults, what people and callers saw, and the trace."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from detent.bundle.keys import load, public_bytes
from detent.errors import BusyError
from detent.loop.workspace import Workspace
from detent.store.blobs import open_blobs
from detent.store.clock import iso
from detent.store.database import open_database
from detent.testing.sim.callers import Callers, by_hour, moved_input
from detent.testing.sim.campaign import Campaign, new_week
from detent.testing.sim.clock import WrongClock
from detent.testing.sim.faults import BUSY, CRASH, SLOW, STEPS, Fault
from detent.testing.sim.parts import Parts
from detent.testing.sim.people import People
from detent.testing.sim.pool import Made
from detent.testing.sim.ports import BEGIN, TRAIN
from detent.testing.sim.process import Process
from detent.testing.sim.turns import Turns

MINUTE = timedelta(minutes=1)
TRAINING = 2 * MINUTE  # between two calls of a training; there are three


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training as an observer of the machine sees it."""

    process: str
    run: str
    began: datetime  # by the machine's clock
    troubles: int  # what had gone wrong until then
    true: datetime


class Week:
    """One simulated week."""

    def __init__(self, campaign: Campaign, seed: int, faults: Sequence[Fault], state: Path, parts: Parts) -> None:
        new_week(campaign, state)
        self.campaign, self.seed, self.state, self.parts = campaign, seed, state, parts
        self.clock = WrongClock(state / "clock", campaign.start)
        self.public = public_bytes(load(state / "keys"))
        self.people, self.turns = People(), Turns()
        rows = campaign.rows
        classes = campaign.project.target.classes
        self.callers = Callers(seed=seed, rows=by_hour(rows), moved=moved_input(rows), classes=classes)
        self.step = 0
        self.trace: list[str] = []
        self.troubles = 0  # crashes, refusals, jumps of the clock so far: each excuses what it may cause
        self.trainings: dict[str, Training] = {}  # that go on, by process
        self.overlaps: list[str] = []
        self.crashes = 0
        self._faults = list(faults)
        self._written: dict[Fault, int] = {}  # writes to the table of a fault
        self.tampered: set[int] = set()  # versions that somebody got at
        self.altered: tuple[Path, bytes] | None = None  # a file that somebody changed, and what was in it
        self.true_start = campaign.start
        self.observer = open_database(state / "detent.db")
        self._order = [made for made in campaign.pool[1:] if made not in campaign.reserved]
        random.Random(f"order {seed}").shuffle(self._order)  # noqa: S311

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What goes wrong in this week."""
        return tuple(self._faults)

    def now(self) -> tuple[Fault, ...]:
        """Return the faults of this step."""
        return tuple(fault for fault in self._faults if fault.step <= self.step < fault.step + fault.steps)

    def share(self) -> float:
        """Return which share of messages is hit in this step."""
        return max((fault.amount for fault in self.now() if 0 < fault.amount <= 1), default=1.0)

    def say(self, text: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.step:3d} {iso(self.clock.now())[5:16]} {text}")

    def teller(self, name: str) -> Callable[[str], None]:
        """Return what a process tells people with."""
        return lambda text: self.say(f"{name}: {text}")

    def process(self, name: str) -> Process:
        """Begin a new life of a process."""
        return Process(name, self._at_port)

    def candidate_of(self, run: str) -> Made:
        """Return what a run trains: it follows from its number, so a crash changes nothing."""
        return self._order[(int(run.removeprefix("run-")) - 2) % len(self._order)]

    def watching(self) -> Workspace:
        """Return the state as somebody sees it who only looks."""
        return Workspace(
            project=self.campaign.project,
            state=self.state,
            db=self.observer,
            blobs=open_blobs(str(self.state / "blobs")),
            clock=self.clock,
            key=load(self.state / "keys"),
            actor="observer",
        )

    def trouble(self, text: str) -> None:
        """Note that something went wrong."""
        self.troubles += 1
        self.say(text)

    @contextmanager
    def training(self, process: Process, run: str) -> Iterator[None]:
        """Let a training take its time; others may look meanwhile."""
        self._begin(process, run)
        try:
            for _ in range(3):
                process.port(TRAIN)
                self.clock.go_on(TRAINING)
            yield
        finally:
            self.trainings.pop(process.name, None)

    def _begin(self, process: Process, run: str) -> None:
        for other in self.trainings.values():
            if self.clock.true() - other.true < 10 * MINUTE and other.troubles == self.troubles:
                self.overlaps.append(f"{run} began while {other.run} of {other.process} was training")
        self.trainings[process.name] = Training(
            process=process.name, run=run, began=self.clock.now(), troubles=self.troubles, true=self.clock.true()
        )

    def _at_port(self, process: Process, call: str, sql: str) -> None:
        if process.doomed is not None:
            process.doomed -= 1
        for fault in self._faults:
            if fault.process != process.name:
                continue
            if fault.table:
                self._beside(fault, process, sql)
            elif fault.step == self.step and process.calls >= fault.call:
                self._strike(fault, process, call)
        if process.doomed == 0:
            self._crash(process, call)
        self.turns.at(process, call)

    def _beside(self, fault: Fault, process: Process, sql: str) -> None:
        """Count writes to a table, and let the process die some calls after the one that is meant."""
        if self.step < fault.step or self.step >= STEPS or not _writes(sql, fault.table):
            return
        self._written[fault] = self._written.get(fault, 0) + 1
        if self._written[fault] == fault.amount:
            process.doomed = fault.call

    def _crash(self, process: Process, call: str) -> None:
        self.crashes += 1
        self.trouble(f"{process.name} dies at its call {process.calls}: {call}")
        process.die()

    def _strike(self, fault: Fault, process: Process, call: str) -> None:
        if fault.kind == CRASH and process.calls == fault.call:
            self._crash(process, call)
        if fault.kind == SLOW and process.calls == fault.call:
            self.trouble(f"{process.name} waits {fault.amount:g} minutes at its call {process.calls}: {call}")
            self.clock.go_on(fault.amount * MINUTE)
        if fault.kind == BUSY and call == BEGIN and process.calls < fault.call + 40:
            self._faults.remove(fault)
            self.trouble(f"the store refuses {process.name} at its call {process.calls}")
            raise BusyError(what="the database is busy", why="simulated", fix="try again")


def _writes(sql: str, table: str) -> bool:
    return bool(sql) and (f"INTO {table} " in sql or f"UPDATE {table} " in sql or f"UPDATE {table}\n" in sql)
