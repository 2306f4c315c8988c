"""Parcels of other hosts that could not be taken: kept with the reason, and tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from detent.predictions.parcels import Parcel
from detent.store.clock import iso
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries(__package__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelAside:
    """A parcel that a host has set aside. What came after it was taken."""

    parcel: Parcel
    taker: str  # id of the host that could not take it
    name: str  # of the host that sent it, as people know it
    why: str
    at: str  # ISO time at which it was first refused
    again_at: str  # ISO time from which on it is tried again


def set_parcel_aside(tx: Transaction, one: ParcelAside) -> None:
    """Keep a parcel, or say why it was refused again."""
    tx.execute(
        _SQL["set_parcel_aside"],
        taker=one.taker, host=one.parcel.host, number=one.parcel.number, name=one.name, why=one.why, at=one.at,
        again_at=one.again_at,
    )  # fmt: skip


def parcels_aside(reader: Reader, taker: str | None = None) -> list[ParcelAside]:
    """Return what a host has set aside, or else what any host has, by sender and number."""
    found = []
    for row in reader.rows(_SQL["parcels_aside"], taker=taker):
        own = {name: row.pop(name) for name in ("taker", "name", "why", "at", "again_at")}
        found.append(ParcelAside(parcel=Parcel(**row), **own))
    return found


def forget_parcel_aside(tx: Transaction, one: ParcelAside) -> bool:
    """Say that a parcel was taken after all; False when it was not aside any more."""
    return tx.execute(_SQL["forget_aside"], taker=one.taker, host=one.parcel.host, number=one.parcel.number) > 0


def try_again(tx: Transaction, now: datetime) -> int:
    """Have every parcel that is aside tried at the next look; return how many there are."""
    return tx.execute(_SQL["try_parcels_again"], at=iso(now))
