"""One database or the other behind the Database port, for tests that have to hold on both."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from detent.store.database import Database, SqliteDatabase
from detent.store.postgres.database import PostgresDatabase
from postgres_server import Server

KINDS = ("sqlite", "postgres")


@contextmanager
def running_server() -> Iterator[Server]:
    """Give a PostgreSQL of its own that answers."""
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


class Databases:
    """Opens databases by path: the same path is the same database, whichever it is."""

    def __init__(self, kind: str, server: Server | None) -> None:
        self.kind, self._server, self._opened = kind, server, list[Database]()

    def open(self, path: Path, *, timeout: float = 5.0) -> Database:
        """Open a database; it is closed after the test."""
        if self._server is None:
            database: Database = SqliteDatabase(path, timeout=timeout)
        else:
            address = schema_of(self._server, path)
            database = PostgresDatabase(path, lambda: address, timeout=timeout)
        self._opened.append(database)
        return database

    def close(self) -> None:
        """Close what was opened."""
        for database in self._opened:
            database.close()


def schema_of(server: Server, path: Path) -> str:
    """Return the address of a schema for a path; it is made when there is none."""
    name = "s" + hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name}".encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"{server.address}&options=-csearch_path%3D{name}"
