"""The SQL of every room on a real PostgreSQL: what `detent.store.database` promises about it is proved here."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from databases import schema_of
from detent.loop.workspace import ROOMS
from detent.store import ledger
from detent.store.database import Database, open_database
from detent.store.migrate import migrate
from detent.store.postgres.database import PostgresDatabase
from detent.store.postgres.statements import positional
from detent.store.queries import load_queries
from postgres_server import Server

VALUES = {"text": ("x", "y"), "bigint": (1, 2), "integer": (1, 2), "double precision": (0.5, 1.5)}
STATEMENTS = [(room, name) for room in ROOMS for name in load_queries(room)]


def types_of(db: PostgresDatabase, sql: str) -> list[str]:
    """Return the types that PostgreSQL gives to a statement's parameters."""
    with db.transaction() as tx:
        tx.execute(f"PREPARE statement AS {positional(sql)[0].decode()}")
        known = tx.rows("SELECT CAST(parameter_types AS text[]) AS types FROM pg_prepared_statements")
        tx.execute("DEALLOCATE statement")
    return known[0]["types"]


@pytest.fixture(scope="module")
def postgres(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresDatabase]:
    """An empty database that has every room's tables."""
    path = tmp_path_factory.mktemp("postgres") / "detent.db"
    address = schema_of(postgres_server, path)
    database = PostgresDatabase(path, lambda: address)
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
    assert set(types_of(postgres, load_queries(room)[name])) <= set(VALUES)


@pytest.mark.parametrize("room", ROOMS)
def test_statements_do_the_same_on_both_databases(postgres: PostgresDatabase, sqlite: Database, room: str) -> None:
    for turn in (0, 0, 1):  # the second turn meets the rows of the first
        for name, sql in load_queries(room).items():
            types = types_of(postgres, sql)
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
