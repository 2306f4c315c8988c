"""Rows of the table `snapshots`: every cut of every dataset, with where it came from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from detent.errors import DataError
from detent.records.snapshot import Part, Snapshot
from detent.store.canonical import canonical
from detent.store.clock import iso
from detent.store.database import Reader, Row, Transaction
from detent.store.queries import load_queries

_SQL = load_queries(__package__ or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSnapshot:
    """A snapshot and when it was first taken."""

    snapshot: Snapshot
    created: str  # ISO time


def save(tx: Transaction, snapshot: Snapshot, now: datetime) -> None:
    """Remember a snapshot; the same cut of the same rows is remembered once, with its first time."""
    tx.execute(
        _SQL["save"],
        id=snapshot.id,
        dataset=snapshot.dataset,
        source=snapshot.source,
        as_of=snapshot.as_of or "",
        row_count=snapshot.rows,
        columns=canonical(snapshot.schema).decode(),
        parts=canonical([[part.digest, part.rows, part.bytes] for part in snapshot.parts]).decode(),
        created=iso(now),
    )


def load(db: Reader, id: str) -> Snapshot:
    """Return the snapshot with this id (its newest cut when several hold the same rows).

    Raises:
        DataError: there is none.
    """
    row = db.row(_SQL["by_id"], id=id)
    if row is None:
        raise DataError(
            what=f"there is no snapshot {id[:12]}",
            why="no dataset was ever stored under that id here",
            fix="take the id from a run or from a dataset's history",
        )
    return _snapshot(row)


def history(db: Reader, dataset: str) -> list[SavedSnapshot]:
    """Return every cut of a dataset, newest first."""
    rows = db.rows(_SQL["by_dataset"], dataset=dataset)
    return [SavedSnapshot(snapshot=_snapshot(row), created=row["created"]) for row in rows]


def _snapshot(row: Row) -> Snapshot:
    return Snapshot(
        id=row["id"],
        dataset=row["dataset"],
        parts=tuple(Part(digest=name, rows=rows, bytes=size) for name, rows, size in json.loads(row["parts"])),
        schema=tuple((name, kind) for name, kind in json.loads(row["columns"])),
        rows=row["row_count"],
        source=row["source"],
        as_of=row["as_of"] or None,
    )
