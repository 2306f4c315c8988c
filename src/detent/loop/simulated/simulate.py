"""Replay history through the live loop: real server, real database, real registry, virtual time.

A day's rows are predicted over HTTP at their own moments, labels come back when they became known, and the controller
ticks as it would in production. What is dealt out at a moment is only what was known by then.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl

from detent.errors import RefusedError
from detent.loop.controller import Controller, Tell
from detent.loop.releases.release import release, rollback
from detent.loop.releases.traffic import request_fields
from detent.loop.runs.mirror import mirror_aliases
from detent.loop.sabotage.ship import ship
from detent.loop.servers.serve import OwnGateway, supervise
from detent.loop.simulated.caller import Caller, Reply
from detent.loop.simulated.world import DAY, World, check_no_future, features_between, open_world
from detent.loop.train import train
from detent.loop.workspace import STATE, Workspace, begin, open_unrecorded, virtual_clock
from detent.pipeline import LocalExecutor
from detent.project.environment import read_environment
from detent.records.run import RunRequest
from detent.rollout import store as rollouts
from detent.serving.pages.routes import RoutePage
from detent.serving.places import route_page
from detent.store.clock import VirtualClock, iso, parse

SPAN = timedelta(days=7)  # features are made for so many days at once
SPREAD = ("constant", "inverted", "leak", "nan", "raising", "shuffled")  # shipped when the project names none
TICK = timedelta(hours=2)  # how often labels are delivered and a running rollout is looked at
ACTOR = "simulation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came out of a replay, row by row."""

    rows: pl.DataFrame  # key, time, features, version, score (what the caller got), status, fallback, label
    failed: int  # callers that got no answer
    start: datetime
    until: datetime


Watch = Callable[[str, int, int], None]  # (date, rows done, rows in all)


def simulate(ws: Workspace, clock: VirtualClock, world: World, *, tell: Tell, watch: Watch) -> Replayed:
    """Turn the wheel from the world's start to its end and return every answer.

    Raises:
        RefusedError: the very first candidate does not pass the gate, so there is nothing to serve.
    """
    executor = LocalExecutor(workers=2)
    try:
        _bootstrap(ws, executor, tell)
        supervisor = supervise(ws, port=0, clock_file=clock.path)
        supervisor.start()
        try:
            gateway = OwnGateway(supervisor)
            address = urlsplit(supervisor.address)
            caller = Caller(address.hostname or "127.0.0.1", address.port or 0)
            controller = Controller(ws, gateway, executor, tell=tell)
            player = _Player(ws, clock, world, caller, gateway, controller, tell)
            player.play(watch)
            caller.close()
            return player.outcome()
        finally:
            supervisor.stop()
    finally:
        executor.close()


@contextmanager
def simulation(folder: Path, *, fresh: bool) -> Iterator[tuple[Workspace, VirtualClock, World]]:
    """Open a project for a replay, with the virtual clock at its first live midnight.

    Raises:
        RefusedError: the project has a state already and `fresh` was not asked for.
    """
    if read_environment().database is not None:
        raise RefusedError(
            what="a simulation has a database of its own",
            why="DETENT_DATABASE_URL names one that others use, and a replay would write its story into it",
            fix="unset DETENT_DATABASE_URL for this command",
        )
    state = folder.resolve() / STATE
    if (state / "detent.db").exists():
        if not fresh:
            raise RefusedError(
                what=f"{state} holds a project's state already",
                why="a replay starts from nothing; mixing it with what is there would falsify the ledger",
                fix="add --fresh to delete that state, or replay in a copy of the project",
            )
        shutil.rmtree(state)
    ws = open_unrecorded(folder, actor=ACTOR)
    world = open_world(ws)
    clock = virtual_clock(ws.state, world.start)
    ws = replace(ws, clock=clock)
    begin(ws)  # in virtual time: the ledger's time never runs backwards
    yield ws, clock, world
    ws.db.close()


def _bootstrap(ws: Workspace, executor: LocalExecutor, tell: Tell) -> None:
    tell("bootstrap: ingest, features, train, judge")
    request = RunRequest(
        reason="bootstrap", detail="The first model of the project.", asked_at=iso(ws.now()), actor=ACTOR
    )
    outcome = train(ws, request, executor=executor)
    if outcome.version is None:
        reason = outcome.verdict.reason if outcome.verdict else "a step of the pipeline failed"
        raise RefusedError(
            what="the first candidate did not pass the gate",
            why=reason,
            fix="mend the pipeline or the gate in detent.yaml; `detent run` shows the whole verdict",
        )
    release(ws, _Nobody(), outcome.version.number, reason="bootstrap")
    mirror_aliases(ws)
    tell(f"version {outcome.version.number} passed the gate and is champion")


class _Nobody:
    """No serving process runs yet: each one loads and checks what the route names when it starts."""

    def prepare(self, versions: object, timeout: float = 0.0) -> dict[int, str]:
        del versions, timeout
        return {}

    def settle(self) -> None:
        """Nothing to wait for."""


class _Player:
    """Deals out history."""

    def __init__(
        self,
        ws: Workspace,
        clock: VirtualClock,
        world: World,
        caller: Caller,
        gateway: OwnGateway,
        controller: Controller,
        tell: Tell,
    ) -> None:
        self._ws, self._clock, self._world, self._caller = ws, clock, world, caller
        self._gateway, self._controller, self._tell = gateway, controller, tell
        source = ws.project.source(ws.project.features.rows)
        self._key, self._time = str(source.key), str(source.time)
        self._labels = {
            row[0]: (row[1], row[2]) for row in world.labels.select(self._key, "label", "known_at").iter_rows()
        }
        self._waiting: list[tuple[datetime, str, float]] = []  # labels on their way: when, prediction id, value
        self._answers: list[dict[str, object]] = []
        self._features: list[pl.DataFrame] = []
        self._sabotage = deque(_sabotage_plan(ws, world))
        self._next_tick = world.start + TICK
        self._winding_up = False
        self._page = RoutePage(route_page(ws.state))
        self._inputs: tuple[int, frozenset[str]] = (-1, frozenset())

    def play(self, watch: Watch) -> None:
        """Replay every day."""
        start = self._world.start
        total = self._world.rows.height
        while start < self._world.until:
            end = min(start + SPAN, self._world.until)
            rows = features_between(self._ws, self._world, start, end)
            if rows.height:
                check_no_future(self._ws, self._world, rows)
                self._features.append(rows)
            watch(f"{start:%Y-%m-%d}", len(self._answers), total)
            for row in rows.iter_rows(named=True):
                self._live_until(row[self._time])
                self._ask(row)
            self._live_until(end)
            start = end
        self._wind_up()
        watch(f"{self._world.until:%Y-%m-%d}", total, total)

    def _wind_up(self) -> None:
        """Let the last labels arrive and the last windows be judged; nothing new is begun."""
        self._winding_up = True
        if rollouts.current(self._ws.db, self._ws.project.serving.endpoint) is not None:
            rollback(self._ws, self._gateway, reason="the replay ended before a decision")
        self._live_until(self._world.until + self._ws.project.monitor.labels_within + DAY)

    def outcome(self) -> Replayed:
        """Return what was answered, with the labels that were known in the end."""
        answers = pl.DataFrame(self._answers)
        labels = self._world.labels.select(self._key, "label")
        rows = answers.join(labels, on=self._key, how="left", maintain_order="left")
        features = pl.concat(self._features).drop(self._time)
        return Replayed(
            rows=rows.join(features, on=self._key, how="left", maintain_order="left"),
            failed=answers.filter(pl.col("score").is_null()).height,
            start=self._world.start,
            until=self._world.until,
        )

    def _ask(self, row: dict[str, object]) -> None:
        self._clock.set(_moment(row[self._time]))
        inputs = {name: row[name] for name in self._wanted() if name in row}
        entity = self._ws.project.features.entity
        reply: Reply = self._caller.predict(
            self._ws.project.serving.endpoint, inputs, str(row[entity] if entity else row[self._key])
        )
        self._answers.append(
            {
                self._key: row[self._key],
                self._time: row[self._time],
                "version": reply.version,
                "score": reply.score,
                "status": reply.status,
                "fallback": reply.fallback,
            }
        )
        label = self._labels.get(row[self._key])
        if label is not None and reply.id is not None:
            self._waiting.append((label[1], reply.id, label[0]))

    def _wanted(self) -> frozenset[str]:
        """Return the inputs that the endpoint asks for now: what a caller reads from the model's signature."""
        if self._page.seq() != self._inputs[0]:
            self._inputs = (self._page.seq(), request_fields(self._ws))
        return self._inputs[1]

    def _live_until(self, moment: datetime) -> None:
        """Let the hours pass: labels arrive, rollouts are looked at, and at midnight the controller ticks."""
        while self._next_tick <= moment:
            now = self._next_tick
            self._clock.set(now)
            self._deliver_labels(now)
            while self._sabotage and self._sabotage[0][1] <= now:
                if not self._ship(self._sabotage[0][0]):
                    break
                self._sabotage.popleft()
            if now.hour == 0:
                self._controller.look() if self._winding_up else self._controller.tick()
            else:
                self._controller.look_at_rollout()
            self._next_tick = now + TICK

    def _deliver_labels(self, now: datetime) -> None:
        ready = [label for label in self._waiting if label[0] <= now]
        if ready:
            self._waiting = [label for label in self._waiting if label[0] > now]
            self._caller.feedback([(name, value) for _, name, value in ready])

    def _ship(self, kind: str) -> bool:
        """Ship a known-bad candidate; False while a rollout is in the way: it is tried again at the next hour."""
        shipped = ship(self._ws, self._controller, kind)
        if shipped is not None:
            self._tell(shipped)
        return shipped is not None


def _sabotage_plan(ws: Workspace, world: World) -> list[tuple[str, datetime]]:
    """Return the known-bad candidates with their moments; when none are declared, those of `SPREAD`, evenly."""
    declared = [(kind, parse(date)) for kind, date in ws.project.simulate.sabotage]
    if declared:
        return sorted(declared, key=lambda entry: entry[1])
    step = (world.until - world.start) / (len(SPREAD) + 1)
    return [(kind, world.start + step * (number + 1)) for number, kind in enumerate(SPREAD)]


def _moment(value: object) -> datetime:
    assert isinstance(value, datetime)  # the features' time column was checked when it was ingested
    return value
