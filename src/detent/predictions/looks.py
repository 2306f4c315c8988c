"""When each place that labels are fetched from was read last, and what was wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from detent.store.clock import iso, parse
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries(__package__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The last look at a place."""

    at: datetime
    read: datetime | None  # the last time at which it could be read
    version: str  # what the place said of itself then; "" when it says nothing
    fault: str  # why it could not be read, or what of it is no label; "" when all was well
    failing: datetime | None = None  # since when it can't be read; None while it can


def last_look(db: Reader, name: str) -> Look | None:
    """Return the last look at a place; None before the first."""
    row = db.row(_SQL["label_source"], name=name)
    if row is None:
        return None
    read = None if row["read_at"] is None else parse(row["read_at"])
    failing = None if row["failing_since"] is None else parse(row["failing_since"])
    return Look(at=parse(row["looked_at"]), read=read, version=row["version"], fault=row["fault"], failing=failing)


def save_look(tx: Transaction, name: str, look: Look) -> None:
    """Remember a look at a place."""
    read = None if look.read is None else iso(look.read)
    tx.execute(
        _SQL["save_label_source"],
        name=name, looked_at=iso(look.at), read_at=read, version=look.version, fault=look.fault,
        failing_since=None if look.failing is None else iso(look.failing),
    )  # fmt: skip
