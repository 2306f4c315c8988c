"""Messages of a stream that are no labels: kept with their place, for people to look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from detent.predictions.sources.protocol import Aside
from detent.store.clock import iso
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries(__package__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A message that was set aside."""

    source: str
    at: str  # ISO time at which it was read
    aside: Aside


def set_aside(tx: Transaction, source: str, asides: Iterable[Aside], *, now: datetime) -> int:
    """Keep messages; return how many of them are news."""
    return sum(
        tx.execute(_SQL["set_aside"], source=source, place=one.place, why=one.why, message=one.message, at=iso(now))
        for one in asides
    )


def asides(db: Reader, most: int) -> list[Kept]:
    """Return the newest messages that were set aside."""
    return [
        Kept(
            source=row["source"],
            at=row["at"],
            aside=Aside(place=row["place"], why=row["why"], message=row["message"]),
        )
        for row in db.rows(_SQL["asides"], most=most)
    ]


def forget_asides(tx: Transaction, before: datetime) -> int:
    """Drop what was set aside before a time, and return how many they were."""
    return tx.execute(_SQL["forget_asides"], before=iso(before))
