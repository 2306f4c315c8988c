from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from detent.errors import TamperedError
from detent.records.event import Fact
from detent.store import ledger
from detent.store.database import Database


def write(db: Database, now: datetime, count: int = 5) -> None:
    for number in range(count):
        with db.transaction() as tx:
            fact = Fact(
                kind="run.finished", subject=f"run:{number}", actor="test", payload={"n": number}, observed={"s": 0.1}
            )
            ledger.append(tx, fact, now + timedelta(seconds=number))


def test_an_untouched_ledger_verifies(db: Database, now: datetime) -> None:
    write(db, now)
    audit = ledger.verify(db)
    assert audit.intact
    assert audit.events == 5
    assert ledger.require_intact(db).head == audit.head


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE ledger SET payload = '{\"n\":99}' WHERE seq = 3", "event 3 (run.finished of run:2) was edited"),
        ("UPDATE ledger SET observed = '{}' WHERE seq = 3", "event 3 (run.finished of run:2) was edited"),
        ("UPDATE ledger SET time = '2013-01-01T00:00:00.000000+00:00' WHERE seq = 2", "event 2"),
        ("DELETE FROM ledger WHERE seq = 3", "event 3 is missing"),
        ("DELETE FROM ledger WHERE seq = 1", "event 1 is missing"),
        ("DELETE FROM ledger WHERE seq >= 4", "the newest events are missing: event 5"),
        (
            "UPDATE ledger SET kind = (SELECT o.kind || 'x' FROM ledger o WHERE o.seq = 3) WHERE seq = 2",
            "event 2",
        ),
        ("UPDATE ledger SET payload = 'not json' WHERE seq = 2", "event 2 was edited"),
    ],
)
def test_any_edited_removed_or_reordered_row_is_found(
    db: Database, now: datetime, statement: str, complaint: str
) -> None:
    write(db, now)
    with db.transaction() as tx:
        tx.execute(statement)
    faults = ledger.verify(db).faults
    assert any(complaint in fault for fault in faults), faults
    with pytest.raises(TamperedError):
        ledger.require_intact(db)


def test_a_rewritten_tail_with_right_hashes_is_found_by_the_anchor(db: Database, now: datetime) -> None:
    write(db, now)
    anchor = ledger.anchor_path(db)
    before = anchor.read_bytes()
    with db.transaction() as tx:
        tx.execute("DELETE FROM ledger WHERE seq = 5")
        ledger.append(tx, Fact(kind="run.finished", subject="run:9", actor="forger"), now + timedelta(hours=1))
    anchor.write_bytes(before)  # the forger can write the database, not what the anchor remembered
    assert any("event 5 is not the one that was written" in fault for fault in ledger.verify(db).faults)


def test_an_event_vanishes_with_the_transaction_it_belongs_to(db: Database, now: datetime) -> None:
    write(db, now, 1)
    with pytest.raises(RuntimeError), db.transaction() as tx:
        ledger.append(tx, Fact(kind="x.y", subject="s", actor="a"), now)
        raise RuntimeError
    audit = ledger.verify(db)
    assert (audit.events, audit.intact) == (1, True)


def test_what_was_observed_does_not_change_the_content_digest(db: Database, now: datetime, tmp_path) -> None:
    from detent.store.database import open_database
    from detent.store.migrate import migrate

    other = open_database(tmp_path / "other.db")
    migrate(other, ["detent.store"])
    for database, seconds in ((db, 0.1), (other, 0.2)):
        with database.transaction() as tx:
            fact = Fact(kind="a.b", subject="s", actor="t", payload={"k": 1}, observed={"seconds": seconds})
            ledger.append(tx, fact, now)
    first, second = ledger.verify(db), ledger.verify(other)
    assert first.content == second.content
    assert first.head != second.head


def test_time_never_runs_backwards(db: Database, now: datetime) -> None:
    write(db, now, 2)
    with db.transaction() as tx:
        event = ledger.append(tx, Fact(kind="a.b", subject="s", actor="t"), now - timedelta(days=1))
    times = [entry.time for entry in ledger.read(db)]
    assert times == sorted(times)
    assert event.time == times[-1]


def test_events_are_filtered_by_kind_family_subject_and_time(db: Database, now: datetime) -> None:
    write(db, now, 3)
    with db.transaction() as tx:
        ledger.append(tx, Fact(kind="run.started", subject="run:7", actor="t"), now + timedelta(hours=1))
    assert len(list(ledger.read(db, kind="run"))) == 4
    assert [event.subject for event in ledger.read(db, kind="run.started")] == ["run:7"]
    assert [event.seq for event in ledger.read(db, subject="run:1")] == [2]
    assert ledger.count_by_kind(db) == {"run.finished": 3, "run.started": 1}


def test_the_newest_event_about_a_subject_is_found_without_reading_the_others(db: Database, now: datetime) -> None:
    with db.transaction() as tx:
        for number in range(3):
            ledger.append(tx, Fact(kind="window.watched", subject="a", actor="t", payload={"n": number}), now)
        ledger.append(tx, Fact(kind="window.watched", subject="b", actor="t", payload={"n": 7}), now)
        ledger.append(tx, Fact(kind="window.watched.twice", subject="a", actor="t", payload={"n": 9}), now)
    found = ledger.last(db, "window.watched", "a")
    assert found is not None
    assert found.payload == {"n": 2}
    assert ledger.last(db, "window.watched", "c") is None
