"""The one door: whatever may move a trigger is heard, decided and written down in one transaction.

Two controllers that ask at once are one after the other here, so that only one of them gets to train.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from detent.errors import RefusedError
from detent.records.event import Fact
from detent.records.project import TriggerPlan
from detent.records.run import TriggerDecision
from detent.store import ledger
from detent.store.clock import iso
from detent.store.database import Transaction
from detent.trigger import calls, flight, store
from detent.trigger.flight import Flight
from detent.trigger.rules import ASK, CHALLENGE, QUARANTINE, RETRAIN, ROLL_BACK, SLO, TRAINS, Case, decide
from detent.trigger.schedule import checked
from detent.trigger.signals import Asker, Signals, Surroundings
from detent.trigger.store import StoredDecision

YES, NO = "yes", "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What came out of the door."""

    decision: TriggerDecision
    number: int | None  # None: it is no news
    flight: Flight | None  # the right to train, for retrain and challenge


def ask(
    tx: Transaction,
    model: str,
    *,
    plan: TriggerPlan,
    signals: Signals,
    around: Surroundings,
    asker: Asker,
    now: datetime,
    mine: Flight | None = None,
) -> Passed:
    """Decide, write it down, and hand out the right to train when the decision needs it.

    Args:
        tx: the transaction in which all of it happens.
        model: registered model name.
        plan: the project's trigger section.
        signals: what is heard now.
        around: what other rooms know.
        asker: who asks.
        now: the moment; when the clock was set back, the ledger's time counts.
        mine: the right to train that the asker holds already, from a challenge.
    """
    now = store.forward(tx, now)
    _tidy(tx, model, signals, asker, now)
    mine = mine if mine is not None and flight.hold(tx, mine, now=now) else None
    running = mine is None and flight.taken(tx, model, now)
    state = store.load(tx, model, plan=plan, around=around, running=running, now=now)
    case = Case(plan=plan, state=state, signals=signals, now=now, actor=asker.actor)
    decision = decide(case)
    due = checked(plan, state, now, trains=decision.action == RETRAIN)
    number = store.record_decision(tx, model, decision, last_cron_check=due, actor=asker.actor, now=now, case=case)
    if decision.action in TRAINS and mine is None:
        mine = flight.take(tx, model, holder=asker.holder, now=now)
    if number is not None:
        _remember(tx, model, case, decision, number)
        if decision.action == RETRAIN:
            calls.settle(tx, model, signals.calls, decision=number)
    return Passed(decision=decision, number=number, flight=mine if decision.action in TRAINS else None)


def recompute(stored: StoredDecision) -> TriggerDecision | None:
    """Take a decision of the past again from what it was told; None when that was not kept."""
    return None if stored.case is None else decide(stored.case)


def answer(tx: Transaction, model: str, number: int, *, yes: bool, actor: str, now: datetime) -> str:
    """Take a human's answer to a decision that asked, or that put data into quarantine; say what follows.

    Raises:
        RefusedError: there is no such decision, or it does not wait for an answer.
    """
    stored, memory = store.decision_of(tx, model, number), store.remembered(tx, model)
    waits = (stored.action == ASK and memory.asked == number) or (
        stored.action == QUARANTINE and memory.quarantined_since == stored.at
    )
    if not waits:
        raise RefusedError(
            what=f"decision {number} does not wait for an answer",
            why=f"it says `{stored.action}`, and whatever it asked is settled",
            fix="see `detent trigger list`",
        )
    fact = Fact(
        kind="human.answered",
        subject=f"model:{model}",
        actor=actor,
        payload={"decision": number, "answer": YES if yes else NO},
    )
    ledger.append(tx, fact, now)
    if stored.action == QUARANTINE:
        if not yes:
            return "the data stay in quarantine until a window of them is whole again"
        _release(tx, model, actor=actor, why="a human said that the data are good", now=now)
        return "the data are out of quarantine; trainings may begin again"
    if yes:
        store.remember(tx, model, replace(memory, refused_in_episode=0, asked=None, answer=""))
        return "training goes on, within the other guards"
    store.remember(tx, model, replace(memory, answer=NO))
    return f"no more trainings for `{memory.cause}` until its episode ends"


def _tidy(tx: Transaction, model: str, signals: Signals, asker: Asker, now: datetime) -> None:
    """Let go of a quarantine whose reason is gone, and of an episode that is over."""
    memory = store.remembered(tx, model)
    if memory.quarantined_since is not None and signals.clean and not signals.broken:
        _release(tx, model, actor=asker.actor, why="a newer window of the data is whole", now=now)
        memory = store.remembered(tx, model)
    if memory.cause and _is_over(memory.cause, signals):
        memory = replace(memory, cause="", refused_in_episode=0, asked=None, answer="")
        store.remember(tx, model, memory)


def _is_over(cause: str, signals: Signals) -> bool:
    if signals.episodes is None:
        return False
    if cause == SLO:
        return signals.burn is None
    return cause not in signals.episodes and all(heard.thing != cause for heard in signals.heard)


def _release(tx: Transaction, model: str, *, actor: str, why: str, now: datetime) -> None:
    memory = store.remembered(tx, model)
    payload = {"since": memory.quarantined_since, "reason": why}
    store.remember(tx, model, replace(memory, quarantined_since=None, quarantined_for=""))
    ledger.append(tx, Fact(kind="data.released", subject=f"model:{model}", actor=actor, payload=payload), now)


def _remember(tx: Transaction, model: str, case: Case, decision: TriggerDecision, number: int) -> None:
    memory, at, kind = store.remembered(tx, model), iso(case.now), None
    if decision.action == RETRAIN:
        memory = replace(memory, training_for=decision.cause)
    elif decision.action == CHALLENGE:
        memory = replace(memory, last_challenge=at)
    elif decision.action == QUARANTINE:
        what = case.signals.broken[0].rstrip(".")
        memory, kind = replace(memory, quarantined_since=at, quarantined_for=what), "data.quarantined"
    elif decision.action == ASK:
        memory, kind = replace(memory, asked=number, answer=""), "human.asked"
    if decision.action == ROLL_BACK or decision.fall_back:
        memory = replace(memory, going_back=case.signals.champion)
    store.remember(tx, model, memory)
    if kind is not None:
        payload = {"decision": number, "reason": decision.reason}
        ledger.append(tx, Fact(kind=kind, subject=f"model:{model}", actor=case.actor, payload=payload), case.now)
