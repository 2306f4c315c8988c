"""One seed: a week of steps, with what goes wrong in each, and the promises looked at after each."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from detent.errors import DetentError
from detent.store import ledger
from detent.testing.sim.campaign import Campaign
from detent.testing.sim.faults import (
    ALTERED,
    CONTROLLERS,
    DAY,
    DEAF,
    INTRUDER,
    JUMP,
    MUTE,
    QUIET,
    SECOND,
    SILENT,
    STEP,
    STEPS,
    WORKER,
    Fault,
    draw,
)
from detent.testing.sim.intruder import alter, intrude, put_back
from detent.testing.sim.invariants import Broken, Promises
from detent.testing.sim.lives import ControllerLife, WorkerLife
from detent.testing.sim.parts import Parts
from detent.testing.sim.process import Crash, Process
from detent.testing.sim.week import Week

L = TypeVar("L")
MOST_AHEAD = timedelta(hours=6)  # of a wrong clock: the ledger never goes back, and trainings wait for its time
MEMORY = Path("/dev/shm")  # noqa: S108  (a folder of our own is made in it)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a seed."""

    seed: int
    faults: tuple[Fault, ...]
    content: str  # digest of the ledger's content: equal for equal seeds
    events: int
    answers: int
    broken: str  # the promise that was broken; "" when none was
    trace: tuple[str, ...]


def run_seed(
    campaign: Campaign, seed: int, *, faults: Sequence[Fault] | None = None, parts: Parts | None = None
) -> Outcome:
    """Live through a simulated week and return what happened. The same seed gives the same week.

    Args:
        campaign: what all weeks begin with.
        seed: of everything that is left to chance.
        faults: what goes wrong; None: what follows from the seed.
        parts: what the week is built of.
    """
    chosen = draw(seed) if faults is None else tuple(faults)
    folder = tempfile.mkdtemp(prefix="detent-week-", dir=MEMORY if MEMORY.is_dir() else None)
    try:
        week = Week(campaign, seed, chosen, Path(folder) / "state", parts or Parts())
        return _Town(week).live(chosen)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Town:
    """The processes of a week, step by step."""

    def __init__(self, week: Week) -> None:
        self._week = week
        self._worker: WorkerLife | None = None
        self._controllers: dict[str, ControllerLife] = {}
        self._promises = Promises(week)

    def live(self, chosen: tuple[Fault, ...]) -> Outcome:
        week, broken = self._week, ""
        try:
            for step in range(STEPS + QUIET):
                week.step = step
                if step == STEPS + QUIET - DAY:
                    week.callers.refused_before = week.callers.refused
                self._step()
                self._promises.keep(self._worker)
            self._promises.keep_at_the_end()
        except Broken as found:
            broken = str(found)
            week.say(f"BROKEN {broken}")
        finally:
            self._stop()
        audit = ledger.verify(week.observer)
        week.observer.close()
        return Outcome(
            seed=week.seed, faults=chosen, content=audit.content, events=audit.events,
            answers=len(week.callers.answers), broken=broken, trace=tuple(week.trace),
        )  # fmt: skip

    def _step(self) -> None:
        week = self._week
        week.clock.go_on(STEP)
        kinds = {fault.kind for fault in week.now()}
        week.people.mute = MUTE in kinds
        if week.step == STEPS and week.clock.off:
            week.clock.off = timedelta(0)
            week.trouble("the clock is right again")
        for fault in week.now():
            if fault.kind == JUMP:
                week.clock.off = min(MOST_AHEAD, week.clock.off + timedelta(hours=fault.amount))
                week.trouble(f"the clock jumps by {fault.amount:g} hours")
        if week.altered is not None:
            put_back(week)
            self._restart()
        if ALTERED in kinds:
            alter(week)
            self._restart()
        if week.step:  # nobody serves before the controller has started for the first time
            self._serve()
        if INTRUDER in kinds:
            intrude(week, self._follow, next(fault for fault in week.now() if fault.kind == INTRUDER))
        self._control(kinds)

    def _restart(self) -> None:
        """Let the serving process die; the next one is begun when it is needed."""
        if self._worker is not None:
            self._worker.bury()
            self._worker = None

    def _serve(self) -> None:
        """Let the serving process live: look at the routes, answer, take labels."""
        week = self._week
        worker = self._worker = self._worker or self._guarded(WORKER, self._new_worker)
        if worker is None:
            return
        worker.process.calls = 0
        wrong, share = {fault.kind for fault in week.now()}, week.share()

        def work() -> None:
            worker.serving.pause()
            if worker.serving.behind:
                worker.serving.follow()
            asked = week.callers.ask(week.step, week.clock.true().hour, wrong, share)
            answers = worker.serving.ask(asked)
            self._promises.see(answers, worker)
            if SILENT not in wrong:
                week.callers.hear(answers, week.step, wrong, share, week.clock.now(), week.clock.true())
            sent = week.callers.due(week.clock.true(), wrong, week.step)
            if sent:
                worker.feedback(week.callers, sent)

        try:
            work()
        except Crash:
            worker.bury()
            self._worker = None

    def _new_worker(self) -> WorkerLife:
        life = WorkerLife(self._week, self._week.process(WORKER))
        life.serving.follow()
        return life

    def _control(self, kinds: set[str]) -> None:
        week = self._week
        wanted = CONTROLLERS if SECOND in kinds else CONTROLLERS[:1]
        for name in wanted:
            if name not in self._controllers:
                life = self._guarded(name, lambda name=name: ControllerLife(week, week.process(name), self._follow))
                if life is not None:
                    self._controllers[name] = life
        for name in set(self._controllers) - set(wanted):
            self._controllers.pop(name).db.close()
        lives = [self._controllers[name] for name in wanted if name in self._controllers]
        if not lives:
            return
        for life in lives:
            life.process.calls = 0
        jobs: dict[Process, Callable[[], None]] = {life.process: life.live for life in lives}
        raised = week.turns.run(jobs, random.Random(f"turns {week.seed} {week.step}"))  # noqa: S311
        for life in lives:
            fault = raised.get(life.process)
            if fault is None:
                continue
            life.db.close()
            del self._controllers[life.process.name]
            if isinstance(fault, DetentError):
                week.say(f"{life.process.name} ended: {fault.what} ({fault.why})")
            elif not isinstance(fault, Crash):
                raise fault

    def _follow(self, versions: Sequence[int]) -> Mapping[int, str]:
        """Let the serving process look at the routes; say which of the versions it does not hold, and why."""
        week, worker = self._week, self._worker
        if worker is None:
            return {}
        if DEAF in {fault.kind for fault in week.now()}:
            week.trouble("the serving process does not answer the controller")
            return dict.fromkeys(versions, "the serving processes did not answer within 60 seconds")
        worker.serving.follow()
        held, model = worker.serving.versions, week.campaign.project.name
        return {
            number: held.refused.get((model, number), "no route names it")
            for number in versions
            if (model, number) not in held.ready
        }

    def _guarded(self, name: str, begin: Callable[[], L]) -> L | None:
        """Begin a life; a crash at its first calls ends it."""
        try:
            return begin()
        except Crash:
            return None
        except DetentError as error:
            self._week.say(f"{name} did not start: {error.what} ({error.why})")
            return None

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.close()
        for life in self._controllers.values():
            life.db.close()
