"""Rows of the table `sources`: what was read from each source outside, and what it said of itself then."""

from __future__ import annotations

import json

from detent.data.sources.decide import Remembered
from detent.records.snapshot import Part, Snapshot
from detent.store.canonical import canonical
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries("detent.data")


def save(tx: Transaction, remembered: Remembered) -> None:
    """Remember the newest reading of a dataset's source."""
    snapshot = remembered.snapshot
    tx.execute(
        _SQL["save_source"],
        dataset=remembered.dataset,
        origin=remembered.origin,
        source=snapshot.source,
        version=remembered.version,
        snapshot=snapshot.id,
        columns=canonical(snapshot.schema).decode(),
        parts=canonical([[part.digest, part.rows, part.bytes] for part in snapshot.parts]).decode(),
        row_count=snapshot.rows,
        asked=remembered.asked,
        read_at=remembered.read,
    )


def load(db: Reader, dataset: str) -> Remembered | None:
    """Return what is remembered of a dataset's source; None: nothing was read yet."""
    row = db.row(_SQL["source_state"], dataset=dataset)
    if row is None:
        return None
    snapshot = Snapshot(
        id=row["snapshot"],
        dataset=dataset,
        parts=tuple(Part(digest=name, rows=rows, bytes=size) for name, rows, size in json.loads(row["parts"])),
        schema=tuple((name, kind) for name, kind in json.loads(row["columns"])),
        rows=row["row_count"],
        source=row["source"],
        as_of=None,
    )
    return Remembered(
        dataset=dataset, origin=row["origin"], version=row["version"], snapshot=snapshot, asked=row["asked"],
        read=row["read_at"],
    )  # fmt: skip
