"""What a trigger remembers: when trainings started, what the gate said, and what was decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from detent.records.event import Fact
from detent.records.run import TriggerDecision
from detent.store import ledger
from detent.store.clock import iso, parse
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries
from detent.trigger.decide import IGNORE, NOTHING, TriggerState

_SQL = load_queries("detent.trigger")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDecision:
    """A decision of the past."""

    at: str  # ISO time
    action: str  # retrain | ignore
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    """The row of a model."""

    last_cron_check: str | None = None
    refused_in_a_row: int = 0
    labelled_at_training: int = 0


def load_state(
    reader: Reader,
    model: str,
    *,
    labelled_rows: int,
    running: bool,
    rollout_running: bool,
    budget_period: timedelta,
    now: datetime,
) -> TriggerState:
    """Return the state for `decide`.

    Args:
        reader: the database or a transaction.
        model: registered model name.
        labelled_rows: rows with a label known by now, in total.
        running: a training runs.
        rollout_running: a rollout runs.
        budget_period: trainings that started in it before `now` are listed.
        now: the moment of the decision.
    """
    memory = _memory(reader, model)
    last = reader.row(_SQL["last_training"], model=model)
    recent = reader.rows(_SQL["trainings_since"], model=model, since=iso(now - budget_period))
    return TriggerState(
        last_training_at=None if last is None else parse(last["started_at"]),
        last_cron_check=None if memory.last_cron_check is None else parse(memory.last_cron_check),
        trainings=tuple(parse(row["started_at"]) for row in recent),
        labelled_rows_since_training=max(0, labelled_rows - memory.labelled_at_training),
        running=running,
        refused_in_a_row=memory.refused_in_a_row,
        rollout_running=rollout_running,
    )


def training_started(tx: Transaction, model: str, *, run: str, reason: str, labelled_rows: int, now: datetime) -> None:
    """Remember that a training started, whoever asked for it: it counts for cool-down and budget."""
    tx.execute(_SQL["save_training"], model=model, run=run, started_at=iso(now), reason=reason)
    memory = _memory(tx, model)
    _save(tx, model, memory.last_cron_check, memory.refused_in_a_row, labelled_rows)


def training_judged(tx: Transaction, model: str, *, passed: bool) -> None:
    """Remember whether the gate let the candidate through.

    Refusals in a row lengthen the cool-down, a pass resets them.
    """
    memory = _memory(tx, model)
    refused = 0 if passed else memory.refused_in_a_row + 1
    _save(tx, model, memory.last_cron_check, refused, memory.labelled_at_training)


def record_decision(
    tx: Transaction,
    model: str,
    decision: TriggerDecision,
    *,
    last_cron_check: datetime | None,
    actor: str,
    now: datetime,
) -> bool:
    """Remember a decision and up to when the schedule is dealt with (`decide.cron_checked`).

    A retraining is written down and told to the ledger (`training.requested`) each time. An ignored wish
    (`training.ignored`) only when its reason is new, so that looking often leaves no trail; a quiet look is never
    written down. Returns whether it was written.
    """
    memory = _memory(tx, model)
    checked = None if last_cron_check is None else iso(last_cron_check)
    _save(tx, model, checked, memory.refused_in_a_row, memory.labelled_at_training)
    last = tx.row(_SQL["last_decision"], model=model)
    repeated = last is not None and (last["action"], last["reason"]) == (decision.action, decision.reason)
    if decision.action == IGNORE and (repeated or decision.reason == NOTHING):
        return False
    number = 1 if last is None else last["number"] + 1
    tx.execute(
        _SQL["save_decision"],
        model=model, number=number, at=iso(now), action=decision.action, reason=decision.reason,
    )  # fmt: skip
    kind = "training.ignored" if decision.action == IGNORE else "training.requested"
    payload = {"reason": decision.reason, "asked_by": None if decision.request is None else decision.request.reason}
    ledger.append(tx, Fact(kind=kind, subject=f"model:{model}", actor=actor, payload=payload), now)
    return True


def decisions(reader: Reader, model: str) -> list[StoredDecision]:
    """Return what was decided about a model, oldest first."""
    return [StoredDecision(**row) for row in reader.rows(_SQL["decisions"], model=model)]


def _memory(reader: Reader, model: str) -> _Memory:
    row = reader.row(_SQL["state"], model=model)
    return _Memory() if row is None else _Memory(**row)


def _save(tx: Transaction, model: str, checked: str | None, refused: int, labelled: int) -> None:
    tx.execute(
        _SQL["save_state"],
        model=model, last_cron_check=checked, refused_in_a_row=refused, labelled_at_training=labelled,
    )  # fmt: skip
