"""The ledger: one append-only, hash-chained table of everything that matters.

`append` is called inside the transaction of the change that it describes, so the two can't disagree. Each event's
hash covers the hash before it, so an edited, removed or reordered row breaks the chain. A chain can't see that its
newest rows were cut off; the anchor file beside the database can: it holds the number and hash of the newest event and
is written after each commit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from detent.errors import TamperedError
from detent.records.event import Event, Fact
from detent.store.canonical import canonical, digest_of
from detent.store.clock import iso
from detent.store.database import Database, Reader, Row, Transaction
from detent.store.queries import load_queries

GENESIS = "0" * 64
_ANCHOR_BYTES = 120
_SQL = load_queries("detent.store")


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What a check of the whole chain found."""

    events: int
    head: str  # hash of the newest event
    content: str  # digest of what two runs with one seed agree on: everything but `observed` and the hashes
    faults: tuple[str, ...]  # sentences; () when the ledger is intact

    @property
    def intact(self) -> bool:
        """True when nothing was edited, removed or reordered."""
        return not self.faults


def append(tx: Transaction, fact: Fact, now: datetime) -> Event:
    """Number, chain and store a fact; part of the caller's transaction.

    Time in the ledger never runs backwards: when the clock was set back, the event takes the time of the one before.

    Raises:
        ValueError: payload or observed is not JSON, or holds NaN.
    """
    last = tx.row(_SQL["last_event"])
    time = iso(now) if last is None else max(iso(now), last["time"])
    event = Event(
        seq=1 if last is None else last["seq"] + 1,
        time=time,
        kind=fact.kind,
        subject=fact.subject,
        actor=fact.actor,
        payload=fact.payload,
        observed=fact.observed,
        previous=GENESIS if last is None else last["hash"],
        hash="",
    )
    event = replace(event, hash=_hash(event))
    tx.execute(
        _SQL["append_event"],
        seq=event.seq,
        time=event.time,
        kind=event.kind,
        subject=event.subject,
        actor=event.actor,
        payload=canonical(event.payload).decode(),
        observed=canonical(event.observed).decode(),
        previous=event.previous,
        hash=event.hash,
    )
    tx.after_commit("ledger anchor", lambda: _write_anchor(anchor_path(tx), event.seq, event.hash))
    return event


def read(
    reader: Reader,
    *,
    kind: str | None = None,
    subject: str | None = None,
    since: str | None = None,
    until: str | None = None,
    after: int = 0,
) -> Iterator[Event]:
    """Yield events in order. `kind` also matches everything below it: "verdict" gives "verdict.passed" too."""
    rows = reader.rows(_SQL["events"], kind=kind, subject=subject, since=since, until=until, after=after)
    return (_event(row) for row in rows)


def last(reader: Reader, kind: str, subject: str) -> Event | None:
    """Return the newest event of exactly this kind about exactly this subject."""
    row = reader.row(_SQL["last_about"], kind=kind, subject=subject)
    return None if row is None else _event(row)


def last_seq(reader: Reader, kind: str) -> int:
    """Return the number of the newest event of exactly this kind; 0 when there is none."""
    row = reader.row(_SQL["last_seq"], kind=kind)
    return 0 if row is None else int(row["seq"])


def last_time(reader: Reader) -> str | None:
    """Return the ISO time of the newest event, which no clock that was set back can undo; None before the first."""
    row = reader.row(_SQL["last_event"])
    return None if row is None else str(row["time"])


def count_by_kind(reader: Reader) -> dict[str, int]:
    """Return how many events of each kind there are."""
    return {row["kind"]: row["events"] for row in reader.rows(_SQL["count_by_kind"])}


def verify(db: Database) -> Audit:
    """Walk the whole chain and say what is wrong with it."""
    faults: list[str] = []
    content: list[object] = []
    # Before the rows: an event that is appended meanwhile must not look like one that was cut off.
    anchor = _read_anchor(anchor_path(db))
    previous, expected, hashes = GENESIS, 1, {}
    for row in db.rows(_SQL["events"], kind=None, subject=None, since=None, until=None, after=-(2**62)):
        try:
            event = _event(row)
        except ValueError:
            faults.append(f"event {row['seq']} was edited: its JSON can't be read")
            previous, expected = row["hash"], row["seq"] + 1
            continue
        faults += _faults(event, expected, previous)
        previous, expected = event.hash, event.seq + 1
        hashes[event.seq] = event.hash
        content.append([event.seq, event.time, event.kind, event.subject, event.actor, event.payload])
    faults += _anchor_faults(anchor, hashes)
    return Audit(events=len(content), head=previous, content=digest_of(content), faults=tuple(faults))


def require_intact(db: Database) -> Audit:
    """Return the audit, or raise TamperedError that names the first broken events."""
    audit = verify(db)
    if audit.faults:
        raise TamperedError(
            what=f"the ledger is not what it was: {audit.faults[0]}",
            why="each event's hash covers the event before it, and they no longer fit together"
            + (f" (and {len(audit.faults) - 1} more)" if len(audit.faults) > 1 else ""),
            fix="compare with a backup; `detent verify` lists every broken event",
        )
    return audit


def remember_newest(db: Database) -> None:
    """Write the anchor of a ledger that is new to this state folder, because another host began it.

    What happened to the ledger before is for that host's anchor to say.
    """
    path, last = anchor_path(db), db.row(_SQL["last_event"])
    if last is not None and not path.exists():
        _write_anchor(path, last["seq"], last["hash"])


def _write_anchor(path: Path, seq: int, hash: str) -> None:
    """Write down the newest event outside the database; after a crash it may lag behind, it never leads.

    One small write of a fixed size, not a rename with its syncs: it happens after every commit.
    """
    text = json.dumps({"seq": seq, "hash": hash}).ljust(_ANCHOR_BYTES)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(descriptor, text.encode(), 0)
    finally:
        os.close(descriptor)


def anchor_path(db: Reader) -> Path:
    """The file that remembers the newest event."""
    return db.path.with_name(db.path.stem + ".anchor.json")


def _hash(event: Event) -> str:
    return digest_of(
        [event.seq, event.time, event.kind, event.subject, event.actor, event.payload, event.observed, event.previous]
    )


def _event(row: Row) -> Event:
    return Event(**{**row, "payload": json.loads(row["payload"]), "observed": json.loads(row["observed"])})


def _faults(event: Event, expected: int, previous: str) -> list[str]:
    faults = []
    if event.seq != expected:
        faults.append(f"{_missing(expected, event.seq)} before event {event.seq}")
    if event.hash != _hash(event):
        faults.append(f"event {event.seq} ({event.kind} of {event.subject}) was edited: it does not give its hash")
    if event.previous != previous and event.seq == expected:
        faults.append(f"event {event.seq} does not follow event {event.seq - 1}: one of them was replaced or reordered")
    return faults


def _missing(expected: int, found: int) -> str:
    if found < expected:
        return f"event number {found} stands twice or out of order"
    return f"event {expected} is missing" if found == expected + 1 else f"events {expected} to {found - 1} are missing"


def _read_anchor(path: Path) -> tuple[int, str] | str:
    """Return number and hash of the newest event that was written, or what is wrong with the anchor."""
    try:
        anchor = json.loads(path.read_text())
        return int(anchor["seq"]), str(anchor["hash"])
    except FileNotFoundError:
        return f"the anchor file {path.name} is missing"
    except (ValueError, KeyError, TypeError):
        return f"the anchor file {path.name} can't be read"


def _anchor_faults(anchor: tuple[int, str] | str, hashes: dict[int, str]) -> list[str]:
    if isinstance(anchor, str):
        return [anchor] if hashes else []
    seq, expected = anchor
    if seq not in hashes:
        return [f"the newest events are missing: event {seq} was written and is gone"]
    if hashes[seq] != expected:
        return [f"event {seq} is not the one that was written: the anchor says otherwise"]
    return []
