"""PostgreSQL that is busy, cut off, restarted, refused or unfit: what is promised about it."""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from databases import Databases, running_server, schema_of
from detent import plugins
from detent.errors import BusyError, MissingExtraError, ProjectError, StoreError
from detent.project import database as opening
from detent.records.event import Fact
from detent.store import ledger
from detent.store.migrate import migrate
from detent.store.postgres.database import PostgresDatabase
from postgres_server import SPOKEN, Server

SECRET = "hunter2-is-secret"


@pytest.fixture
def db(postgres_server: Server, tmp_path: Path) -> Iterator[PostgresDatabase]:
    address = schema_of(postgres_server, tmp_path / "detent.db")
    database = PostgresDatabase(tmp_path / "detent.db", lambda: address)
    with database.transaction() as tx:
        tx.execute("CREATE TABLE t (x BIGINT)")
    yield database
    database.close()


def cut(server: Server) -> None:
    """Cut every connection, as a firewall or an administrator does."""
    with psycopg.connect(server.address) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


def test_a_writer_waits_as_long_as_it_was_told_and_no_longer(
    db: PostgresDatabase, postgres_server: Server, tmp_path: Path
) -> None:
    address = schema_of(postgres_server, tmp_path / "detent.db")
    other = PostgresDatabase(tmp_path / "detent.db", lambda: address)
    with other.transaction():
        began = time.monotonic()
        with pytest.raises(BusyError, match="busy") as caught, db.transaction(wait=0.1):
            pass
        assert 0.1 <= time.monotonic() - began < 3
        assert "longer than 0.1 seconds" in caught.value.why
        assert db.rows("SELECT x FROM t") == []  # readers never wait
    with db.transaction(wait=0.1) as tx:
        tx.execute("INSERT INTO t VALUES (1)")
    other.close()


def test_two_schemas_of_one_database_do_not_wait_for_each_other(
    db: PostgresDatabase, postgres_server: Server, tmp_path: Path
) -> None:
    address = schema_of(postgres_server, tmp_path / "another.db")
    other = PostgresDatabase(tmp_path / "another.db", lambda: address)
    with other.transaction(), db.transaction(wait=0.0) as tx:
        tx.execute("INSERT INTO t VALUES (1)")
    other.close()


def test_a_chain_that_many_threads_and_connections_write_is_whole(
    postgres_server: Server, tmp_path: Path, now: datetime
) -> None:
    opener = Databases("postgres", postgres_server)
    opened = [opener.open(tmp_path / "detent.db", timeout=60) for _ in range(4)]
    migrate(opened[0], ["detent.store"])

    def write(number: int) -> None:
        for count in range(10):
            with opened[number % 4].transaction() as tx:
                ledger.append(tx, Fact(kind="a.b", subject=f"{number}/{count}", actor="test"), now)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    audit = ledger.verify(opened[0])
    assert (audit.events, audit.intact) == (80, True)
    opener.close()


def test_a_connection_that_was_cut_is_made_anew_outside_transactions(
    db: PostgresDatabase, postgres_server: Server
) -> None:
    cut(postgres_server)
    assert db.rows("SELECT x FROM t") == []
    cut(postgres_server)
    with db.transaction() as tx:
        tx.execute("INSERT INTO t VALUES (1)")
    assert db.rows("SELECT x FROM t") == [{"x": 1}]


def test_a_connection_that_is_cut_inside_a_transaction_undoes_all_of_it(
    db: PostgresDatabase, postgres_server: Server
) -> None:
    with pytest.raises(StoreError, match="connection to the database was lost") as caught, db.transaction() as tx:
        tx.execute("INSERT INTO t VALUES (1)")
        cut(postgres_server)
        tx.execute("INSERT INTO t VALUES (2)")
    assert "undone all of it" in caught.value.why
    assert db.rows("SELECT x FROM t") == []


def test_a_commit_whose_answer_is_lost_is_not_said_to_have_failed(
    db: PostgresDatabase, postgres_server: Server
) -> None:
    with pytest.raises(StoreError, match="lost") as caught, db.transaction() as tx:
        tx.execute("INSERT INTO t VALUES (1)")
        cut(postgres_server)
    assert "nobody here knows whether" in caught.value.why


def test_a_server_that_restarts_is_waited_for_and_one_that_is_gone_is_an_error_at_once(tmp_path: Path) -> None:
    with running_server() as server:
        db = PostgresDatabase(tmp_path / "detent.db", lambda: server.address, timeout=30)
        assert db.row("SELECT 1 AS one") == {"one": 1}
        server.stop()
        starter = threading.Timer(0.2, server.start)
        starter.start()
        assert db.row("SELECT 2 AS two") == {"two": 2}
        starter.join()
        db.close()
        server.stop()
        began = time.monotonic()
        with pytest.raises(StoreError, match="can't be reached"):
            db.row("SELECT 1")
        assert time.monotonic() - began < 5
        server.start()
        server.wait()


def test_who_waits_hears_what_is_committed_and_nothing_else(db: PostgresDatabase, postgres_server: Server) -> None:
    with db.changes("topic") as changes:
        assert changes.wait(10)  # what was announced before is unknown
        assert not changes.wait(0)
        with pytest.raises(ZeroDivisionError), db.transaction() as tx:
            tx.announce("topic")
            1 / 0  # noqa: B018
        assert not changes.wait(0.05)
        with db.transaction() as tx:
            tx.announce("topic")
            tx.announce("other")
        began = time.monotonic()
        assert changes.wait(10)
        assert time.monotonic() - began < 5
        cut(postgres_server)
        while not changes.wait(0.05):  # the first call finds out, the next one listens again
            assert time.monotonic() - began < 30
        with db.transaction() as tx:
            tx.announce("topic")
        assert changes.wait(10)


def test_a_process_that_was_forked_takes_a_connection_of_its_own(db: PostgresDatabase) -> None:
    mine = db.rows("SELECT pg_backend_pid() AS pid")
    child = os.fork()
    if child == 0:
        os._exit(0 if db.rows("SELECT pg_backend_pid() AS pid") != mine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert db.rows("SELECT pg_backend_pid() AS pid") == mine


def test_numbers_and_nothing_come_back_as_sqlite_gives_them(databases: Databases, tmp_path: Path) -> None:
    db = databases.open(tmp_path / "detent.db")
    with db.transaction() as tx:
        tx.execute("CREATE TABLE n (whole BIGINT, part DOUBLE PRECISION, name TEXT)")
        for whole, part in ((True, 0.1), (2**40, 1e300), (-3, -0.5)):
            tx.execute("INSERT INTO n VALUES (:whole, :part, :name)", whole=whole, part=part, name="50% :x $1")
        assert tx.execute("UPDATE n SET name = NULL WHERE whole < :most", most=2) == 2
    (row,) = db.rows("SELECT SUM(whole) AS whole, MAX(part) AS part, COUNT(name) AS names FROM n")
    assert row == {"whole": 2**40 - 2, "part": 1e300, "names": 1}
    assert [type(value) for value in row.values()] == [int, float, int]
    assert db.row("SELECT name FROM n WHERE name = '50% :x $1' -- :no") == {"name": "50% :x $1"}
    with pytest.raises(RuntimeError, match="outside a transaction"):
        db.execute("DELETE FROM n")  # type: ignore[attr-defined]


def test_a_statement_that_fails_leaves_nothing_of_its_transaction_and_the_database_usable(
    databases: Databases, tmp_path: Path
) -> None:
    db = databases.open(tmp_path / "detent.db")
    with db.transaction() as tx:
        tx.execute("CREATE TABLE t (x BIGINT)")
    with pytest.raises(StoreError, match="refused a statement"), db.transaction() as tx:
        tx.execute("INSERT INTO t VALUES (1)")
        tx.execute("INSERT INTO nowhere VALUES (1)")
    with pytest.raises(ZeroDivisionError), db.transaction() as tx:
        tx.execute("INSERT INTO t VALUES (1)")
        1 / 0  # noqa: B018
    assert db.rows("SELECT x FROM t") == []


def test_what_is_done_after_a_commit_is_done_once_and_only_then(databases: Databases, tmp_path: Path) -> None:
    db, done = databases.open(tmp_path / "detent.db"), list[str]()
    with pytest.raises(ZeroDivisionError), db.transaction() as tx:
        tx.after_commit("a", lambda: done.append("never"))
        1 / 0  # noqa: B018
    with db.transaction() as tx:
        tx.after_commit("a", lambda: done.append("replaced"))
        tx.after_commit("a", lambda: done.append("last"))
        assert done == []
    with db.transaction():
        pass
    assert done == ["last"]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("postgresql://shop:{secret}@127.0.0.1:{port}/postgres", "user and password"),
        ("postgresql://shop:{secret}@127.0.0.1:1/postgres", "start PostgreSQL"),
        ("postgresql://shop:{secret}@[::1/postgres", "mend DETENT_DATABASE_URL"),
        ("postgresql://shop:{secret}@127.0.0.1:{port}/postgres?nonsense=1", "mend DETENT_DATABASE_URL"),
        ("mysql://shop:{secret}@127.0.0.1/shop", "postgresql://user:password@host:5432/name"),
    ],
)
def test_no_error_shows_the_password(
    postgres_server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    address: str,
    says: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("DETENT_DATABASE_URL", address.format(secret=SECRET, port=postgres_server.port))
    with pytest.raises((StoreError, ProjectError)) as caught:
        opening.open_state(tmp_path / "detent.db").rows("SELECT 1")
    assert says in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value)) + str(caught.value) + caplog.text
    assert SECRET not in shown


def test_a_password_is_in_no_representation_and_in_no_name_for_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETENT_DATABASE_URL", f"postgresql://shop:{SECRET}@db.example:5433/shop?sslmode=require")
    db = opening.open_state(tmp_path / "detent.db")
    assert repr(db) == "PostgresDatabase(postgresql://shop@db.example:5433/shop)"
    assert SECRET not in opening.database_of(tmp_path / "detent.db")
    assert db.path == tmp_path / "detent.db"


def test_a_password_is_asked_for_and_the_right_one_lets_in(postgres_server: Server, tmp_path: Path) -> None:
    with psycopg.connect(postgres_server.address, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS clerk")
        connection.execute(f"CREATE ROLE clerk LOGIN PASSWORD '{SECRET}'")
    address = f"postgresql://clerk:{SECRET}@127.0.0.1:{postgres_server.port}/postgres"
    db = PostgresDatabase(tmp_path / "detent.db", lambda: address)
    assert db.row("SELECT 1 AS one") == {"one": 1}
    with pytest.raises(StoreError, match="refuses this user") as caught, db.transaction() as tx:
        tx.execute("CREATE TABLE public.t (x BIGINT)")
    assert "GRANT" in caught.value.fix
    db.close()


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("LC_COLLATE 'C' LC_CTYPE 'C' ENCODING 'LATIN1'", "encoding is LATIN1"),
        (f"LC_COLLATE '{SPOKEN}' LC_CTYPE 'C' ENCODING 'UTF8'", "rules of a language"),
    ],
)
def test_a_database_that_sorts_otherwise_or_can_not_hold_every_text_is_refused(
    postgres_server: Server, tmp_path: Path, how: str, why: str
) -> None:
    with psycopg.connect(postgres_server.address, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS spoken")
        try:
            connection.execute(f"CREATE DATABASE spoken TEMPLATE template0 {how}")
        except psycopg.errors.WrongObjectType:
            pytest.skip("no such locale: this machine has no localedef")
    address = postgres_server.address.replace("/postgres?", "/spoken?")
    db = PostgresDatabase(tmp_path / "detent.db", lambda: address)
    with pytest.raises(StoreError, match="can't be used") as caught:
        db.row("SELECT 1")
    assert why in caught.value.why
    assert "LC_COLLATE 'C'" in caught.value.fix


def test_a_standby_or_a_read_only_session_says_where_to_write(postgres_server: Server, tmp_path: Path) -> None:
    address = schema_of(postgres_server, tmp_path / "detent.db") + "%20-cdefault_transaction_read_only%3Don"
    db = PostgresDatabase(tmp_path / "detent.db", lambda: address)
    with pytest.raises(StoreError, match="read-only") as caught, db.transaction() as tx:
        tx.execute("CREATE TABLE t (x BIGINT)")
    assert "primary" in caught.value.fix
    db.close()


def test_without_psycopg_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        if name != "detent.plugins":
            raise ModuleNotFoundError(f"No module named '{name}'", name="psycopg")
        return plugins

    monkeypatch.setenv("DETENT_DATABASE_URL", "postgresql://localhost/shop")
    monkeypatch.setattr(opening, "import_module", absent)
    with pytest.raises(MissingExtraError, match="psycopg") as caught:
        opening.open_state(tmp_path / "detent.db")
    assert "detent[postgres]" in caught.value.fix


def test_an_address_may_name_a_file_that_several_state_folders_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETENT_DATABASE_URL", f"sqlite:///{tmp_path / 'shared.db'}")
    db = opening.open_state(tmp_path / "state" / "detent.db")
    assert db.path == tmp_path / "shared.db"
    with db.changes("topic") as changes:
        assert not changes.wait(0.01)
    db.close()
