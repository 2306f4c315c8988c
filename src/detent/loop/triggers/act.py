"""From what the trigger hears to what is done: one look, one decision, one training at a time."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from detent.errors import DetentError, RefusedError
from detent.loop.alerts.channels import channel_names
from detent.loop.champion import CHAMPION
from detent.loop.cost import trainings_cost
from detent.loop.releases.release import rollback
from detent.loop.releases.traffic import Gateway
from detent.loop.runs.mirror import mirror_aliases
from detent.loop.triggers.burn import SloWatch
from detent.loop.triggers.challenge import challenge
from detent.loop.triggers.signals import gather
from detent.loop.workspace import Workspace
from detent.monitor import outbox
from detent.predictions import labels
from detent.records.alert import Alert
from detent.records.event import Fact
from detent.records.finding import WARNING, Finding
from detent.records.run import RunRequest, TriggerDecision
from detent.registry import aliases
from detent.rollout import store as rollouts
from detent.store import ledger
from detent.store.clock import iso
from detent.store.database import Transaction
from detent.trigger import door, flight, store
from detent.trigger.door import Passed
from detent.trigger.flight import Flight
from detent.trigger.rules import ASK, CHALLENGE, RETRAIN, ROLL_BACK
from detent.trigger.signals import Asker, Signals, Surroundings
from detent.trigger.store import StoredDecision

RENEWALS = 4  # per lease
Held = Callable[[], bool]  # True while nobody else may train; who gets False must not go on

HOLDER = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What an actor needs to act."""

    gateway: Gateway
    train: Callable[[RunRequest, Held], object]  # trains and rolls out; asks `Held` before anything that others see
    tell: Callable[[str], None]
    mirror: Callable[[Workspace], object] = mirror_aliases  # shows aliases to MLflow


def turn(ws: Workspace, findings: Sequence[Finding], hands: Hands, *, slo: SloWatch | None = None) -> TriggerDecision:
    """Hear what is to be heard, decide, and do it; return the last decision. What was left undone is done first."""
    go_back(ws, hands)
    signals = gather(ws, findings, burn=slo.look(ws) if slo else None)
    passed = ask(ws, signals)
    if passed.decision.action == CHALLENGE and passed.flight is not None:
        hands.tell(f"challenger: {passed.decision.reason}")
        passed = _try_challenger(ws, signals, passed.flight)
    act(ws, hands, passed)
    return passed.decision


def ask(ws: Workspace, signals: Signals, *, mine: Flight | None = None) -> Passed:
    """Take a decision at the one door."""
    plan, now = ws.project.trigger, ws.now()
    spent, expected = (0.0, 0.0) if plan.money is None else trainings_cost(ws, now - plan.budget_period)
    around = Surroundings(
        labelled_rows=labels.count(ws.db),
        rollout_running=rollouts.current(ws.db, ws.project.serving.endpoint) is not None,
        money_spent=spent,
        money_next=expected,
    )
    asker = Asker(actor=ws.actor, holder=HOLDER)
    with ws.db.transaction() as tx:
        return door.ask(tx, ws.model, plan=plan, signals=signals, around=around, asker=asker, now=now, mine=mine)


def act(ws: Workspace, hands: Hands, passed: Passed) -> None:
    """Do what was decided."""
    decision = passed.decision
    if decision.action == ROLL_BACK or decision.fall_back:
        go_back(ws, hands)
    if decision.action == ASK:
        hands.tell(f"a human is asked: {decision.reason} Answer: detent trigger answer {passed.number} --yes or --no")
        _alert(ws, passed)
    if decision.action == RETRAIN and decision.request is not None and passed.flight is not None:
        with flying(ws, passed.flight) as held:
            hands.train(decision.request, held)


def go_back(ws: Workspace, hands: Hands) -> bool:
    """Give the traffic back to the version before, as a decision asked; False when nothing asks, or it can't be done.

    The decision may be that of a controller which was killed before it could. It happens to the very version that the
    decision was about: when another one took over meanwhile, or a rollout began, nothing is done, and that is said.

    Raises:
        DetentError: the store is busy or away; the next look tries again.
    """
    left = store.remembered(ws.db, ws.model).going_back
    decided = None if left is None else store.last_going_back(ws.db, ws.model)
    if left is None or decided is None:
        return False
    said, done = _give_back(ws, hands, left, decided)
    with ws.db.transaction() as tx:
        store.went_back(tx, ws.model, left)
        if done:
            ledger.append(tx, _fell_back(ws, tx, left, decided), ws.now())
    if done:
        hands.mirror(ws)
    hands.tell(said)
    return done


def _give_back(ws: Workspace, hands: Hands, left: int, decided: StoredDecision) -> tuple[str, bool]:
    if rollouts.current(ws.db, ws.project.serving.endpoint) is not None:
        return "nothing goes back: a rollout has begun meanwhile", False
    try:
        reason = f"decision {decided.number}: {decided.reason}"
        return rollback(ws, hands.gateway, reason=reason, left=left), True
    except RefusedError as error:
        return f"going back failed: {error.what} ({error.why})", False


def _fell_back(ws: Workspace, tx: Transaction, left: int, decided: StoredDecision) -> Fact:
    payload = {
        "from": left,
        "to": aliases.current(tx, ws.model, CHAMPION),
        "decision": decided.number,
        "reason": decided.reason,
    }
    return Fact(kind="version.fell_back", subject=f"model:{ws.model}", actor=ws.actor, payload=payload)


@contextmanager
def flying(ws: Workspace, mine: Flight) -> Iterator[Held]:
    """Hold the right to train while the block runs, and give it back; a long training keeps it."""
    try:
        with _renewed(ws, mine) as held:
            yield held
    finally:
        _done(ws, mine)


@contextmanager
def _renewed(ws: Workspace, mine: Flight) -> Iterator[Held]:
    ended, lost = threading.Event(), threading.Event()

    def hold() -> bool:
        if not lost.is_set():
            with ws.db.transaction() as tx:
                if not flight.hold(tx, mine, now=store.forward(tx, ws.now())):
                    lost.set()
        return not lost.is_set()

    def renew() -> None:
        while not ended.wait(flight.LEASE.total_seconds() / RENEWALS):
            with suppress(DetentError):  # the store is busy or away: the next try may come in time
                hold()

    thread = threading.Thread(target=renew, name="flight", daemon=True)
    thread.start()
    try:
        yield hold
    finally:
        ended.set()
        thread.join()


def _done(ws: Workspace, mine: Flight) -> None:
    with ws.db.transaction() as tx:
        flight.done(tx, mine)


def _try_challenger(ws: Workspace, signals: Signals, mine: Flight) -> Passed:
    """Fit a challenger and decide again with what it showed; a training goes on with the same right."""
    goes_on = False
    try:
        with _renewed(ws, mine):
            passed = ask(ws, replace(signals, challenger=challenge(ws)), mine=mine)
        goes_on = passed.flight is not None
        return passed
    finally:
        if not goes_on:
            _done(ws, mine)


def _alert(ws: Workspace, passed: Passed) -> None:
    """Tell the channels that somebody has to answer."""
    alert = Alert(
        key=f"trigger:{passed.decision.cause}",
        severity=WARNING,
        title=f"A human is asked about {ws.model}",
        text=f"{passed.decision.reason} Answer with `detent trigger answer {passed.number} --yes` or `--no`.",
        opened_at=iso(ws.now()),
        at=iso(ws.now()),
        rise=False,
    )
    with ws.db.transaction() as tx:
        outbox.queue(tx, [alert], channel_names(ws), endpoint=ws.project.serving.endpoint, actor=ws.actor, now=ws.now())
