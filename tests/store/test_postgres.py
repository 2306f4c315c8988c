"""The SQL of every room on a real PostgreSQL: what `detent.store.database` promises about it is proved here."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from detent.loop.workspace import ROOMS
from detent.store import ledger
from detent.store.database import Database, Row, Transaction, open_database
from detent.store.migrate import migrate
from detent.store.queries import load_queries
from postgres_server import Server

_PARAMETER = re.compile(r"--[^\n]*|'(?:[^']|'')*'|:([a-z_]\w*)")
VALUES = {"text": ("x", "y"), "bigint": (1, 2), "integer": (1, 2), "double precision": (0.5, 1.5)}
STATEMENTS = [(room, name) for room in ROOMS for name in load_queries(room)]


class PostgresDatabase:
    """The Database port on PostgreSQL, as far as rooms need it."""

    def __init__(self, address: str) -> None:
        self.connection = psycopg.connect(address, autocommit=True, prepare_threshold=None)
        self.path = Path("postgres")

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self.connection.transaction():
            yield self

    def execute(self, sql: str, **values: Any) -> int:
        return self._cursor(sql, values).rowcount

    def after_commit(self, name: str, action: Any) -> None:
        raise AssertionError("these tests have nothing to do after a commit")

    def rows(self, sql: str, **values: Any) -> list[Row]:
        return self._cursor(sql, values).fetchall()

    def row(self, sql: str, **values: Any) -> Row | None:
        return self._cursor(sql, values).fetchone()

    def close(self) -> None:
        self.connection.close()

    def _cursor(self, sql: str, values: dict[str, Any]) -> Any:
        text, names = positional(sql)
        return psycopg.RawCursor(self.connection, row_factory=dict_row).execute(
            text.encode(), [values[name] for name in names]
        )

    def types(self, sql: str) -> list[str]:
        """Return the types that PostgreSQL gives to a statement's parameters."""
        self.execute(f"PREPARE statement AS {positional(sql)[0]}")
        known = self.rows("SELECT CAST(parameter_types AS text[]) AS types FROM pg_prepared_statements")
        self.execute("DEALLOCATE statement")
        return known[0]["types"]


def positional(sql: str) -> tuple[str, list[str]]:
    """Return a statement with `$1`, `$2` instead of `:name`, and the names in that order."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0]
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _PARAMETER.sub(number, sql), names


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: the path of a socket has at most 107 bytes
    started = None
    try:
        started = Server(folder)
        started.wait()
        yield started
    finally:
        if started is not None:
            started.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def postgres(server: Server) -> Iterator[PostgresDatabase]:
    """An empty database that has every room's tables."""
    database = PostgresDatabase(server.address)
    migrate(database, ROOMS)
    yield database
    database.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Database:
    database = open_database(tmp_path / "detent.db")
    migrate(database, ROOMS)
    return database


def test_the_schema_of_every_room_is_applied_once(postgres: PostgresDatabase) -> None:
    assert migrate(postgres, ROOMS) == 0


@pytest.mark.parametrize(("room", "name"), STATEMENTS)
def test_a_statement_is_understood_with_types_from_the_statement_alone(
    postgres: PostgresDatabase, room: str, name: str
) -> None:
    assert set(postgres.types(load_queries(room)[name])) <= set(VALUES)


@pytest.mark.parametrize("room", ROOMS)
def test_statements_do_the_same_on_both_databases(postgres: PostgresDatabase, sqlite: Database, room: str) -> None:
    for turn in (0, 0, 1):  # the second turn meets the rows of the first
        for name, sql in load_queries(room).items():
            types = postgres.types(sql)
            values = {key: VALUES[kind][turn] for key, kind in zip(positional(sql)[1], types, strict=True)}
            values |= {"state": "running"} if "state" in values else {}
            assert outcome(postgres, sql, values) == outcome(sqlite, sql, values), name
            if " IS NULL OR " in sql:
                nothing = {key: None if f"CAST(:{key} AS TEXT) IS NULL" in sql else values[key] for key in values}
                assert outcome(postgres, sql, nothing) == outcome(sqlite, sql, nothing), name


def test_a_kind_of_event_matches_itself_and_what_is_below_it_and_nothing_that_looks_like_it(
    postgres: PostgresDatabase, sqlite: Database
) -> None:
    kinds = ("a_b", "a_b.c", "A_B.c", "axb.c", "a_b%", "a_bc")
    for database in (postgres, sqlite):
        with database.transaction() as tx:
            for seq, kind in enumerate(kinds, start=100):
                tx.execute(
                    load_queries("detent.store")["append_event"],
                    seq=seq, time="t", kind=kind, subject="", actor="",
                    payload="{}", observed="{}", previous="", hash="",
                )  # fmt: skip
        assert [event.kind for event in ledger.read(database, kind="a_b", after=99)] == ["a_b", "a_b.c"]


def outcome(database: Database, sql: str, values: dict[str, Any]) -> object:
    """Return a query's rows, how many rows a statement changed, or that a constraint refused it."""
    query = re.sub(r"--[^\n]*", "", sql).lstrip().startswith(("SELECT", "WITH"))
    try:
        with database.transaction() as tx:
            return tx.rows(sql, **values) if query else tx.execute(sql, **values)
    except (sqlite3.IntegrityError, psycopg.IntegrityError):
        return "refused"
