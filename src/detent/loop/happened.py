"""Events of the ledger by kind and subject, by its indexes: `ledger.read`, which filters freely, walks all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from detent.records.event import Event
from detent.store.database import Reader, Row
from detent.store.queries import load_queries

MADE, IMPORTED = "candidate.made", "model.imported"
STARTED, ROUTED = "run.started", "route.changed"
_SQL = load_queries("detent.loop")


def first_event(db: Reader, kind: str, subject: str) -> Event | None:
    """Return the first event of exactly this kind about a subject, or None."""
    row = db.row(_SQL["first_event_about"], kind=kind, subject=subject)
    return None if row is None else _event(row)


def last_event(db: Reader, kind: str, subject: str) -> Event | None:
    """Return the newest event of exactly this kind about a subject, or None."""
    row = db.row(_SQL["last_event_about"], kind=kind, subject=subject)
    return None if row is None else _event(row)


def events_about(db: Reader, subject: str) -> Iterator[Event]:
    """Yield every event about a subject, oldest first."""
    return map(_event, db.rows(_SQL["events_about"], subject=subject))


def events_of_kind(db: Reader, kind: str) -> Iterator[Event]:
    """Yield every event of exactly this kind, oldest first."""
    return map(_event, db.rows(_SQL["events_of_kind"], kind=kind))


def verdicts_after(db: Reader, seq: int) -> Iterator[Event]:
    """Yield what the gate said after an event, oldest first."""
    return map(_event, db.rows(_SQL["verdicts_after"], seq=seq))


def _event(row: Row) -> Event:
    return Event(**{**row, "payload": json.loads(row["payload"]), "observed": json.loads(row["observed"])})
