"""Keeps waivers: signed once, never changed; a row only remembers whether its waiver was used, or has expired."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from detent.records.event import Fact
from detent.records.waiver import Waiver
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries("detent.gate")
GRANTED, USED, EXPIRED = "granted", "used", "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A row of the table; what it says must be checked against the waiver's own signature."""

    id: str
    state: str  # granted | used | expired
    verdict: str | None  # that it let pass last
    waiver: Waiver | None  # None: the row can't be read


def save(tx: Transaction, waiver: Waiver) -> None:
    """Store a new waiver."""
    tx.execute(
        _SQL["save_waiver"],
        id=waiver.id,
        model=waiver.model,
        bundle=waiver.bundle,
        expires=waiver.expires,
        waiver=msgspec.json.encode(waiver).decode(),
    )


def kept(db: Reader, model: str) -> list[Kept]:
    """Return every row about a model, the one that expires last first."""
    return list(map(_kept, db.rows(_SQL["waivers"], model=model)))


def of_bundle(db: Reader, model: str, bundle: str) -> list[Kept]:
    """Return the rows about one bundle, the one that expires last first."""
    return list(map(_kept, db.rows(_SQL["waivers_of_bundle"], model=model, bundle=bundle)))


def due(db: Reader, model: str, now: str) -> Iterator[Kept]:
    """Yield the rows that have expired by the ISO time `now` and do not say so yet."""
    return map(_kept, db.rows(_SQL["waivers_due"], model=model, now=now))


def mark_used(tx: Transaction, id: str, verdict: str) -> bool:
    """Remember the verdict that a waiver let pass; False when that was known."""
    return bool(tx.execute(_SQL["waiver_used"], id=id, verdict=verdict))


def mark_expired(tx: Transaction, id: str) -> bool:
    """Remember that a waiver is over; False when that was known."""
    return bool(tx.execute(_SQL["waiver_expired"], id=id))


def granted_fact(waiver: Waiver, *, actor: str) -> Fact:
    """Return the ledger's entry about a new waiver."""
    told = {"verdict": waiver.verdict, "reason": waiver.reason, "expires": waiver.expires}
    return _fact("waiver.granted", waiver.id, actor, {**_about(waiver), **told})


def used_fact(waiver: Waiver, verdict: str, *, actor: str) -> Fact:
    """Return the ledger's entry about a verdict that a waiver let pass."""
    return _fact("waiver.used", waiver.id, actor, {**_about(waiver), "verdict": verdict})


def expired_fact(row: Kept, *, actor: str) -> Fact:
    """Return the ledger's entry about a waiver that is over."""
    told = {} if row.waiver is None else _about(row.waiver)
    return _fact("waiver.expired", row.id, actor, {**told, "was": row.state})


def _about(waiver: Waiver) -> dict[str, str]:
    return {"check": waiver.check, "owner": waiver.owner, "bundle": waiver.bundle}


def _fact(kind: str, id: str, actor: str, told: dict[str, str]) -> Fact:
    return Fact(kind=kind, subject=f"waiver:{id[:12]}", actor=actor, payload={"waiver": id, **told})


def _kept(row: dict) -> Kept:
    try:
        waiver = msgspec.json.decode(row["waiver"], type=Waiver)
    except msgspec.MsgspecError:
        waiver = None
    return Kept(id=row["id"], state=row["state"], verdict=row["verdict"], waiver=waiver)
