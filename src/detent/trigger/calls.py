"""Calls of POST /v1/triggers/{name}: stored by serving processes, heard by the controller. Each counts once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from detent.errors import RefusedError, did_you_mean
from detent.records.event import Fact
from detent.store import ledger
from detent.store.clock import iso
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries
from detent.trigger.signals import Call

ACCEPTED, KNOWN, CONFLICT = "accepted", "known", "conflict"
_SQL = load_queries("detent.trigger")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call as it arrived."""

    name: str  # of the webhook
    key: str  # the caller's own: the same key is the same call
    body: str  # digest of what was sent
    caller: str  # "api:<key id>", "cli:<login>"
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a call."""

    id: str
    state: str  # accepted | known | conflict: the key was used before, for something else


def declare(tx: Transaction, model: str, names: Sequence[str]) -> None:
    """Say which names may be called; calls of names that are no longer there are kept, and heard by nobody."""
    if declared(tx, model) == tuple(sorted(names)):
        return
    tx.execute(_SQL["forget_webhooks"], model=model)
    for name in names:
        tx.execute(_SQL["save_webhook"], name=name, model=model)


def declared(reader: Reader, model: str) -> tuple[str, ...]:
    """Return the names that may be called, sorted."""
    return tuple(row["name"] for row in reader.rows(_SQL["webhooks_of"], model=model))


def record_call(tx: Transaction, asked: Asked) -> Receipt:
    """Keep a call, with the event `trigger.called`; a key that is known changes nothing.

    Raises:
        RefusedError: no webhook has this name.
    """
    hook = tx.row(_SQL["webhook"], name=asked.name)
    if hook is None:
        names = tuple(row["name"] for row in tx.rows(_SQL["webhooks"]))
        raise RefusedError(
            what=f"there is no trigger `{asked.name[:80]}`",
            why="trigger.webhooks in detent.yaml names those that may be called",
            fix=did_you_mean(asked.name[:80], names) if names else "add it: trigger: {webhooks: [" + asked.name + "]}",
        )
    known = tx.row(_SQL["call"], name=asked.name, key=asked.key)
    if known is not None:
        return Receipt(id=known["id"], state=KNOWN if known["body"] == asked.body else CONFLICT)
    row = tx.row(_SQL["count_calls"], name=asked.name)
    number = 1 + (row["calls"] if row else 0)
    call = f"{asked.name}-{number}"
    tx.execute(
        _SQL["save_call"],
        name=asked.name, key=asked.key, id=call, model=hook["model"], body=asked.body, caller=asked.caller,
        at=iso(asked.at),
    )  # fmt: skip
    payload = {"call": call, "name": asked.name}
    fact = Fact(kind="trigger.called", subject=f"model:{hook['model']}", actor=asked.caller, payload=payload)
    ledger.append(tx, fact, asked.at)
    return Receipt(id=call, state=ACCEPTED)


def waiting(reader: Reader, model: str) -> tuple[Call, ...]:
    """Return the calls that no training has answered yet, oldest first."""
    names = set(declared(reader, model))
    rows = reader.rows(_SQL["waiting_calls"], model=model)
    return tuple(
        Call(id=row["id"], name=row["name"], at=row["at"], caller=row["caller"]) for row in rows if row["name"] in names
    )


def settle(tx: Transaction, model: str, calls: Sequence[Call], *, decision: int) -> None:
    """Note that a decision answers these calls: one training answers all that wait."""
    for call in calls:
        tx.execute(_SQL["settle_call"], model=model, id=call.id, decision=decision)
