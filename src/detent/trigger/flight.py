"""One training at a time, also with two controllers: a lease in the database, with a token that only grows.

Whoever holds the flight renews it while it trains. A holder that stood still for longer than the lease may find that
another one has taken over: its token is then an old one, and it must not go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from detent.store.clock import iso
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

LEASE = timedelta(minutes=10)
_SQL = load_queries("detent.trigger")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """The right to train a model."""

    model: str
    token: int  # greater than that of every holder before
    holder: str


def take(tx: Transaction, model: str, *, holder: str, now: datetime) -> Flight | None:
    """Take the right to train, if nobody has it or its lease ran out; None when somebody has it."""
    if not tx.execute(_SQL["take_flight"], model=model, holder=holder, now=iso(now), until=iso(now + LEASE)):
        return None
    row = tx.row(_SQL["flight"], model=model)
    assert row is not None
    return Flight(model=model, token=row["token"], holder=holder)


def hold(tx: Transaction, flight: Flight, *, now: datetime) -> bool:
    """Renew the lease; False when another one has taken over, and whoever asks must stop."""
    return bool(tx.execute(_SQL["hold_flight"], model=flight.model, token=flight.token, until=iso(now + LEASE)))


def done(tx: Transaction, flight: Flight) -> None:
    """Give the right back; nothing happens when another one has taken over."""
    tx.execute(_SQL["end_flight"], model=flight.model, token=flight.token)


def abandoned(reader: Reader, model: str, now: datetime) -> bool:
    """True when the last holder never gave the right back and its lease ran out: it was killed, or stands still."""
    row = reader.row(_SQL["flight"], model=model)
    return row is not None and row["holder"] != "" and row["until"] <= iso(now)


def taken(reader: Reader, model: str, now: datetime) -> bool:
    """True while somebody holds the right to train."""
    row = reader.row(_SQL["flight"], model=model)
    return row is not None and row["holder"] != "" and row["until"] > iso(now)
