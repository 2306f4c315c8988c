from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from detent.errors import BusyError, StoreError
from detent.store.database import SqliteDatabase, open_database
from detent.store.migrate import migrate
from permissions import permissions_count


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    db = open_database(tmp_path / "a.db")
    with db.transaction() as tx:
        tx.execute("CREATE TABLE t (x INTEGER)")
    with pytest.raises(ZeroDivisionError), db.transaction() as tx:
        tx.execute("INSERT INTO t VALUES (:x)", x=1)
        1 / 0  # noqa: B018
    assert db.rows("SELECT x FROM t") == []


def test_a_database_locked_by_another_process_is_a_clear_error(tmp_path: Path) -> None:
    db = SqliteDatabase(tmp_path / "a.db", timeout=0.05)
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyError, match="busy") as caught, db.transaction():
        pass
    assert "longer than 0.05 seconds" in caught.value.why
    other.execute("ROLLBACK")
    with db.transaction() as tx:
        assert tx.rows("SELECT 1 AS one") == [{"one": 1}]


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="refused"):
        open_database(tmp_path / "a.db")


def test_a_full_disk_loses_only_the_change_that_did_not_fit(tmp_path: Path) -> None:
    db = open_database(tmp_path / "a.db")
    with db.transaction() as tx:
        tx.execute("CREATE TABLE t (x TEXT)")
        tx.execute("INSERT INTO t VALUES ('kept')")
    db.rows("PRAGMA max_page_count = 3")  # SQLite's own way to make the disk full
    with pytest.raises(StoreError, match="can't be written"), db.transaction() as tx:
        for _ in range(100):
            tx.execute("INSERT INTO t VALUES (:x)", x="y" * 4000)
    assert db.rows("SELECT x FROM t") == [{"x": "kept"}]


def test_every_room_with_tables_migrates_once(tmp_path: Path) -> None:
    db = open_database(tmp_path / "a.db")
    assert migrate(db, ["detent.store"]) == 2
    assert migrate(db, ["detent.store"]) == 0
    with db.transaction() as tx:
        tx.execute("UPDATE migrations SET digest = 'other'")
    with pytest.raises(StoreError, match="edited after"):
        migrate(db, ["detent.store"])


def test_a_database_that_may_only_be_read_says_so_and_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "state" / "a.db"
    made = open_database(path)
    with made.transaction() as tx:
        tx.execute("CREATE TABLE t (x INTEGER)")
    made.close()
    path.chmod(0o444)
    path.parent.chmod(0o555)
    with permissions_count(), pytest.raises(StoreError, match="the database (is read-only|can't be written)") as caught:
        db = open_database(path)
        with db.transaction() as tx:
            tx.execute("INSERT INTO t VALUES (1)")
    assert "permissions" in caught.value.fix
    with permissions_count(), pytest.raises(StoreError, match="can't be written") as caught:
        open_database(tmp_path / "state" / "below" / "a.db")
    assert "permissions" in caught.value.fix
    assert made.path == path


def test_a_database_file_that_became_read_only_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with permissions_count():
        db = open_database(path)
        with db.transaction() as tx:
            tx.execute("CREATE TABLE t (x INTEGER)")
        db.close()
    path.chmod(0o444)
    with permissions_count():
        db = open_database(path)
        assert db.rows("SELECT x FROM t") == []
        with pytest.raises(StoreError, match="read-only") as caught, db.transaction() as tx:
            tx.execute("INSERT INTO t VALUES (1)")
        assert "nothing was changed" in caught.value.fix
        db.close()
