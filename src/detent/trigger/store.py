"""What a trigger remembers: when trainings started, what the gate said, and what was decided, with all it was told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import msgspec

from detent.errors import RefusedError
from detent.records.event import Fact
from detent.records.project import TriggerPlan
from detent.records.run import TriggerDecision
from detent.store import ledger
from detent.store.clock import iso, parse
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries
from detent.trigger import flight as flights
from detent.trigger.rules import IGNORE, NOTHING, RESUMED, RETRAIN, SLO, Case, decide
from detent.trigger.signals import Surroundings
from detent.trigger.state import Interrupted, TriggerState

_SQL = load_queries("detent.trigger")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDecision:
    """A decision of the past."""

    number: int  # 1, 2 ... per model
    at: str  # ISO time
    action: str  # retrain | roll_back | quarantine | challenge | ask | ignore
    reason: str
    rule: str  # "" for those that were written before rules had numbers
    cause: str
    fall_back: bool
    evidence: tuple[tuple[str, str], ...]
    case: Case | None  # all that it was told; None for those that were written before it was kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training of the past."""

    run: str
    started_at: str  # ISO time


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The row of a model."""

    last_cron_check: str | None = None
    refused_in_a_row: int = 0
    labelled_at_training: int = 0
    last_challenge: str | None = None
    quarantined_since: str | None = None
    quarantined_for: str = ""
    cause: str = ""
    refused_in_episode: int = 0
    asked: int | None = None
    answer: str = ""
    training_for: str = ""  # cause of the latest training that a decision asked for
    going_back: int | None = None  # version that a decision takes the traffic from; None: that is done


def load(
    reader: Reader, model: str, *, plan: TriggerPlan, around: Surroundings, running: bool, now: datetime
) -> TriggerState:
    """Return the past as the rules see it at `now`."""
    memory = remembered(reader, model)
    last = reader.row(_SQL["last_training"], model=model)
    return TriggerState(
        last_training_at=None if last is None else parse(last["started_at"]),
        last_cron_check=_moment(memory.last_cron_check),
        trainings=tuple(parse(one.started_at) for one in trainings_since(reader, model, now - plan.budget_period)),
        labelled_rows_since_training=max(0, around.labelled_rows - memory.labelled_at_training),
        running=running,
        refused_in_a_row=memory.refused_in_a_row,
        rollout_running=around.rollout_running,
        last_challenge_at=_moment(memory.last_challenge),
        money_spent=around.money_spent,
        money_next=around.money_next,
        quarantined_since=_moment(memory.quarantined_since),
        quarantined_for=memory.quarantined_for,
        cause=memory.cause,
        refused_in_episode=memory.refused_in_episode,
        asked=memory.asked,
        answer=memory.answer,
        interrupted=_interrupted(reader, model) if not running and flights.abandoned(reader, model, now) else None,
    )


def _interrupted(reader: Reader, model: str) -> Interrupted | None:
    """Return the training that whoever held the flight last was about; None when it only tried a challenger."""
    row = reader.row(_SQL["last_training_decision"], model=model)
    stored = None if row is None or row["action"] != RETRAIN else decision_of(reader, model, row["number"])
    if stored is None or stored.case is None:
        return None
    before = stored.case.state.interrupted
    if stored.rule == RESUMED and before is not None:
        return replace(before, again=True)
    request = decide(stored.case).request
    if request is None:
        return None
    return Interrupted(
        number=stored.number, reason=request.reason, detail=request.detail, cause=stored.cause, again=False
    )


def trainings_since(reader: Reader, model: str, since: datetime) -> list[Training]:
    """Return the trainings that started after a moment, whatever asked for them, oldest first."""
    return [Training(**row) for row in reader.rows(_SQL["trainings_since"], model=model, since=iso(since))]


def training_started(tx: Transaction, model: str, *, run: str, reason: str, labelled_rows: int, now: datetime) -> None:
    """Remember that a training started, whoever asked for it: it counts for cool-down and budget.

    When the clock was set back, the ledger's time counts: a cool-down must not shrink.
    """
    tx.execute(_SQL["save_training"], model=model, run=run, started_at=iso(forward(tx, now)), reason=reason)
    remember(tx, model, replace(remembered(tx, model), labelled_at_training=labelled_rows))


def training_judged(tx: Transaction, model: str, *, passed: bool) -> None:
    """Remember whether the gate let the candidate through.

    Refusals in a row lengthen the cool-down, and refusals in one episode make a human be asked; a pass resets both. An
    episode has a thing that it is about ("drift:temp"); the schedule and new rows have none and only wait longer.
    """
    memory = remembered(tx, model)
    if passed:
        memory = replace(memory, refused_in_a_row=0, cause="", refused_in_episode=0, asked=None, answer="")
    elif ":" not in memory.training_for and memory.training_for != SLO:
        memory = replace(memory, refused_in_a_row=memory.refused_in_a_row + 1)
    elif memory.training_for == memory.cause:
        again = memory.refused_in_episode + 1
        memory = replace(memory, refused_in_a_row=memory.refused_in_a_row + 1, refused_in_episode=again)
    else:
        memory = replace(
            memory, refused_in_a_row=memory.refused_in_a_row + 1, cause=memory.training_for, refused_in_episode=1,
            asked=None, answer="",
        )  # fmt: skip
    remember(tx, model, memory)


def record_decision(
    tx: Transaction,
    model: str,
    decision: TriggerDecision,
    *,
    last_cron_check: datetime | None,
    actor: str,
    now: datetime,
    case: Case | None = None,
) -> int | None:
    """Remember a decision and up to when the schedule is dealt with; return its number, None when it is no news.

    What is done is written down and told to the ledger each time: `trigger.decided`, and `training.requested` beside it
    for a training. An ignored wish (`training.ignored`) only when its reason is new, so that looking often leaves no
    trail; a quiet look is never written down. `case` is what `rules.decide` was told.
    """
    checked = None if last_cron_check is None else iso(last_cron_check)
    remember(tx, model, replace(remembered(tx, model), last_cron_check=checked))
    last = tx.row(_SQL["last_decision"], model=model)
    repeated = last is not None and (last["action"], last["reason"]) == (decision.action, decision.reason)
    if decision.action == IGNORE and (repeated or decision.reason == NOTHING):
        return None
    number = 1 if last is None else last["number"] + 1
    tx.execute(
        _SQL["save_decision"],
        model=model, number=number, at=iso(now), action=decision.action, reason=decision.reason, rule=decision.rule,
        cause=decision.cause, fall_back=int(decision.fall_back), evidence=json.dumps(decision.evidence),
        inputs="" if case is None else msgspec.json.encode(case).decode(),
    )  # fmt: skip
    for fact in _facts(model, number, decision, actor):
        ledger.append(tx, fact, now)
    return number


def decisions(reader: Reader, model: str) -> list[StoredDecision]:
    """Return what was decided about a model, oldest first."""
    return [_stored(row) for row in reader.rows(_SQL["decisions"], model=model)]


def last_going_back(reader: Reader, model: str) -> StoredDecision | None:
    """Return the latest decision that takes the traffic from the present version."""
    row = reader.row(_SQL["last_going_back"], model=model)
    return None if row is None else decision_of(reader, model, row["number"])


def went_back(tx: Transaction, model: str, left: int) -> None:
    """Note that nothing more is to be done about giving back the traffic of a version."""
    memory = remembered(tx, model)
    if memory.going_back == left:
        remember(tx, model, replace(memory, going_back=None))


def decision_of(reader: Reader, model: str, number: int) -> StoredDecision:
    """Return one decision.

    Raises:
        RefusedError: there is none with this number.
    """
    row = reader.row(_SQL["decision"], model=model, number=number)
    if row is None:
        raise RefusedError(
            what=f"there is no decision {number}",
            why=f"decisions about `{model}` are numbered from 1, oldest first",
            fix="see `detent trigger list`",
        )
    return _stored(row)


def remembered(reader: Reader, model: str) -> Memory:
    """Return the row of a model; a new model has an empty one."""
    row = reader.row(_SQL["state"], model=model)
    return Memory() if row is None else Memory(**row)


def remember(tx: Transaction, model: str, memory: Memory) -> None:
    """Store the row of a model."""
    tx.execute(_SQL["save_state"], model=model, **asdict(memory))


def forward(reader: Reader, now: datetime) -> datetime:
    """Return now, or the ledger's last time when the clock was set back."""
    last = ledger.last_time(reader)
    return now if last is None else max(now, parse(last))


def in_flight(reader: Reader, model: str, now: datetime) -> bool:
    """True while a training that passed the guards is under way."""
    return flights.taken(reader, model, now)


def _facts(model: str, number: int, decision: TriggerDecision, actor: str) -> list[Fact]:
    subject = f"model:{model}"
    facts = []
    if decision.action in (IGNORE, RETRAIN):
        kind = "training.ignored" if decision.action == IGNORE else "training.requested"
        asked_by = None if decision.request is None else decision.request.reason
        payload = {"reason": decision.reason, "asked_by": asked_by}
        facts.append(Fact(kind=kind, subject=subject, actor=actor, payload=payload))
    if decision.rule:
        payload = {
            "number": number, "action": decision.action, "rule": decision.rule, "cause": decision.cause,
            "reason": decision.reason, "fall_back": decision.fall_back, "evidence": dict(decision.evidence),
        }  # fmt: skip
        facts.append(Fact(kind="trigger.decided", subject=subject, actor=actor, payload=payload))
    return facts


def _stored(row: dict[str, object]) -> StoredDecision:
    return StoredDecision(
        number=int(str(row["number"])),
        at=str(row["at"]),
        action=str(row["action"]),
        reason=str(row["reason"]),
        rule=str(row["rule"]),
        cause=str(row["cause"]),
        fall_back=bool(row["fall_back"]),
        evidence=tuple((name, said) for name, said in json.loads(str(row["evidence"]))),
        case=msgspec.json.decode(str(row["inputs"]), type=Case) if row["inputs"] else None,
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else parse(text)
