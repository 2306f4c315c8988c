"""How far each sink has been told. The tables of runs and the ledger are the outbox; here stand only the marks in it.

A mark is set after the events were taken, so a killed process tells some events twice, with the same ids, and none
never.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from detent.store.clock import iso
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

WHOLE_RUN = "*"
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=10)
_SQL = load_queries("detent.tracking")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a sink stands."""

    sink: str
    runs: int = 0  # every run up to this number was told from beginning to end
    ledger: int = 0  # every judgement up to this event was told
    told: int = 0  # events that it took
    refused: int = 0  # events that it will never take
    failures: int = 0  # failed tries in a row
    error: str = ""  # what went wrong last; "" when nothing did
    retry_at: str = ""  # ISO time before which it is left alone


def standing(reader: Reader, sink: str) -> Standing:
    """Return how a sink stands; one that was never told anything stands at the beginning."""
    row = reader.row(_SQL["sink"], sink=sink)
    return Standing(sink=sink) if row is None else Standing(**row)


def standings(reader: Reader) -> list[Standing]:
    """Return every sink that was ever told anything."""
    return [Standing(**row) for row in reader.rows(_SQL["sinks"])]


def told(reader: Reader, sink: str) -> dict[int, set[str]]:
    """Return, by a run's number, the ids of the events that were told of it; {"*"} when all were."""
    found: dict[int, set[str]] = {}
    for row in reader.rows(_SQL["told"], sink=sink):
        found.setdefault(row["seq"], set()).add(row["event"])
    return found


def mark_events(tx: Transaction, now: Standing, seq: int, ids: Collection[str], *, refused: int) -> Standing:
    """Remember that events of a run were taken, and return the sink's new standing."""
    for event in ids:
        tx.execute(_SQL["save_told"], sink=now.sink, seq=seq, event=event)
    return _save(tx, _well(now, told=now.told + len(ids) - refused, refused=now.refused + refused))


def mark_run(tx: Transaction, now: Standing, seq: int, *, first_open: bool) -> Standing:
    """Remember that all of an ended run was told.

    `first_open`: True when every run before it was told too; then the number moves on and the marks are forgotten.
    """
    if first_open:
        tx.execute(_SQL["forget_told"], sink=now.sink, seq=seq)
        return _save(tx, _well(now, runs=seq))
    tx.execute(_SQL["save_told"], sink=now.sink, seq=seq, event=WHOLE_RUN)
    tx.execute(_SQL["forget_events"], sink=now.sink, seq=seq)
    return _save(tx, _well(now))


def mark_ledger(tx: Transaction, now: Standing, seq: int, count: int, *, refused: int) -> Standing:
    """Remember that the judgements up to a ledger event were told, as `count` events."""
    return _save(tx, _well(now, ledger=seq, told=now.told + count - refused, refused=now.refused + refused))


def mark_failure(tx: Transaction, now: Standing, error: str, at: datetime) -> Standing:
    """Remember that a sink could not be told; it is left alone for a while that doubles with each failure."""
    pause = min(FIRST_PAUSE * 2 ** min(now.failures, 10), LONGEST_PAUSE)
    return _save(tx, replace(now, failures=now.failures + 1, error=error, retry_at=iso(at + pause)))


def _well(now: Standing, **changes: int) -> Standing:
    """Return the standing after a success: what failed before is forgotten."""
    return replace(now, failures=0, error="", retry_at="", **changes)


def _save(tx: Transaction, now: Standing) -> Standing:
    tx.execute(_SQL["save_sink"], **asdict(now))
    return now
