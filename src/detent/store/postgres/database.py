"""The Database port on PostgreSQL, for projects that more than one machine works at.

It keeps SQLite's promises: one writer at a time (a transaction takes an advisory lock before its first statement, so
whoever reads and then writes, such as the ledger's chain, is alone), readers never wait, `:name` parameters whose types
follow from the statement, texts that sort by their bytes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow

from detent.errors import Place, StoreError
from detent.store.database import Row, Transaction
from detent.store.postgres.changes import PostgresChanges
from detent.store.postgres.connect import Connection, connect, parameters, shown
from detent.store.postgres.faults import busy, explain, lost, unreachable
from detent.store.postgres.statements import positional

# The two numbers: "detent", and the schema, so that projects in schemas of their own don't wait for each other.
_BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL lock_timeout = {wait};
SELECT pg_advisory_xact_lock(1684370533, hashtext(coalesce(current_schema(), '')))
"""
_PAUSE = 0.05  # seconds between two tries to reach a server that was there a moment ago


class PostgresDatabase:
    """A PostgreSQL database. The first statement connects; a connection that was cut is made anew.

    Only outside transactions: what was begun on a connection that was cut is undone by the server, and raises.
    """

    def __init__(self, path: Path, reveal: Callable[[], str], *, timeout: float = 5.0) -> None:
        """`path`: the file that SQLite would have, for what lies beside it; `reveal` returns the address.

        `timeout`: seconds that a transaction waits for the write lock, and that is waited for a server that was there.

        Raises:
            StoreError: the address can't be read.
        """
        self._path, self._reveal, self._timeout = path, reveal, timeout
        self._lock = threading.RLock()
        self._after: dict[str, Callable[[], None]] = {}
        self._connection: Connection | None = None
        self._process = os.getpid()
        self._inside = self._patient = False
        self._where = Place(file=shown(parameters(reveal)))

    def __repr__(self) -> str:
        return f"PostgresDatabase({self._where.file})"

    @property
    def path(self) -> Path:
        """The file in the state folder that SQLite would have; the ledger's anchor lies beside it."""
        return self._path

    @contextmanager
    def transaction(self, *, wait: float | None = None) -> Iterator[Transaction]:
        """Give a write transaction.

        Raises:
            BusyError: another process kept the write lock for longer than `wait`, or else than the timeout.
            StoreError: the server can't be reached, or the connection was cut inside the transaction.
        """
        with self._lock:
            if self._inside:
                raise RuntimeError("a transaction inside a transaction")
            self._begin(self._timeout if wait is None else wait)
            self._after.clear()
            self._inside = True
            try:
                yield self
                self._commit()
            except BaseException:
                self._undo()
                raise
            finally:
                self._inside = False
            for action in self._after.values():
                action()

    def execute(self, sql: str, **values: Any) -> int:
        """Run a statement inside the open transaction."""
        with self._lock:
            if not self._inside:
                raise RuntimeError("execute() outside a transaction")
            return self._run(sql, values).rowcount

    def after_commit(self, name: str, action: Callable[[], None]) -> None:
        """Remember an action for the end of the open transaction."""
        self._after[name] = action

    def announce(self, topic: str) -> None:
        """Tell those who wait for the topic, when the open transaction commits."""
        self.execute("SELECT pg_notify(:topic, '')", topic=topic)

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """Return every row of a query as dictionaries."""
        with self._lock:
            return self._run(sql, values).fetchall()

    def row(self, sql: str, **values: Any) -> Row | None:
        """Return the first row of a query, or None."""
        with self._lock:
            return self._run(sql, values).fetchone()

    def changes(self, topic: str) -> PostgresChanges:
        """Return what waits for announcements of a topic, on a connection of its own."""
        return PostgresChanges(topic, self._connect)

    def beside(self) -> AbstractContextManager[PostgresDatabase]:
        """Give this database: threads take turns, and a new connection would be seen as one of the user's code."""
        return nullcontext(self)

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            self._drop()

    def _begin(self, wait: float) -> None:
        """Take the write lock: the only moment at which a transaction waits for another one."""
        statement = _BEGIN.format(wait=max(1, round(wait * 1000)))
        for again in (True, False):
            connection = self._live()
            try:
                connection.execute(statement.encode(), prepare=False)
                return
            except psycopg.Error as error:
                if again and connection.closed:  # it had been cut before; nothing is begun
                    self._patient = True
                    continue
                self._undo()
                if isinstance(error, psycopg.errors.LockNotAvailable):
                    raise busy(wait, self._where) from error
                raise self._explained(error, connection) from error

    def _commit(self) -> None:
        connection = self._connection
        assert connection is not None
        if connection.info.transaction_status == TransactionStatus.INERROR:
            raise RuntimeError("a statement of this transaction failed, and nobody minded")
        try:
            connection.execute("COMMIT", prepare=False)
        except psycopg.IntegrityError:
            raise
        except psycopg.Error as error:
            if connection.closed:
                raise lost(self._where, committing=True) from error
            raise self._explained(error, connection) from error

    def _undo(self) -> None:
        connection = self._connection
        if connection is None or connection.closed or connection.info.transaction_status == TransactionStatus.IDLE:
            return
        try:
            connection.execute("ROLLBACK", prepare=False)
        except psycopg.Error:
            self._drop()

    def _run(self, sql: str, values: dict[str, Any]) -> psycopg.Cursor[DictRow]:
        """Run a statement; outside a transaction once more when the connection turns out to be cut."""
        text, names = positional(sql)
        given = [values[name] for name in names]
        for again in (not self._inside, False):
            connection = self._connection if self._inside else self._live()
            if connection is None:
                raise lost(self._where)
            try:
                return psycopg.RawCursor(connection).execute(text, given)
            except psycopg.IntegrityError:
                raise
            except psycopg.Error as error:
                if connection.closed and again:
                    self._patient = True
                    continue
                raise self._explained(error, connection) from error
        raise AssertionError("the second try returns or raises")

    def _explained(self, error: psycopg.Error, connection: Connection) -> Exception:
        if not connection.closed:
            return explain(error, self._where, wait=self._timeout)
        self._patient = True
        return lost(self._where) if self._inside else unreachable(" ".join(str(error).split()), self._where)

    def _live(self) -> Connection:
        """Return the connection, made anew when it is gone. One that a parent process made is not ours."""
        connection = self._connection
        if connection is not None and not connection.closed and self._process == os.getpid():
            return connection
        until = time.monotonic() + (self._timeout if self._patient else 0.0)
        self._patient, self._process, self._connection = False, os.getpid(), None
        while True:
            try:
                self._connection = self._connect()
                return self._connection
            except StoreError:
                if time.monotonic() >= until:
                    raise
            time.sleep(_PAUSE)  # a server that restarts is back soon; who has waited in vain is told at once next time

    def _connect(self) -> Connection:
        return connect(self._reveal, self._where)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._process == os.getpid():
            with suppress(psycopg.Error):
                connection.close()
