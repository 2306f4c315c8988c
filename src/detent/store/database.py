"""The Database port: rows and transactions. SQLite in WAL mode is the embedded implementation, `postgres` the other.

SQL in this project is what SQLite and PostgreSQL both accept, with values bound as `:name`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

from detent.errors import BusyError, DetentError, Place, StoreError
from detent.store.atomic import unwritable
from detent.store.mounts import TABLE, require_local
from detent.store.refusals import shown

Row = dict[str, Any]
T = TypeVar("T")


class Reader(Protocol):
    """Whoever answers queries: a database or a transaction on it."""

    @property
    def path(self) -> Path:
        """Where the database lives."""
        ...

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """Return every row of a query."""
        ...

    def row(self, sql: str, **values: Any) -> Row | None:
        """Return the first row of a query, or None."""
        ...


class Transaction(Reader, Protocol):
    """A unit of work: all of it happens, or none of it."""

    def execute(self, sql: str, **values: Any) -> int:
        """Run a statement and return how many rows it changed."""
        ...

    def after_commit(self, name: str, action: Callable[[], None]) -> None:
        """Have something done once the transaction is durable; a second action of the same name replaces the first."""
        ...

    def announce(self, topic: str) -> None:
        """Tell those who wait for the topic (`Database.changes`) once the transaction is durable."""
        ...


class Changes(Protocol):
    """Whoever waits for announcements of a topic. They are hints: some are lost, so look at the tables in any case."""

    def wait(self, seconds: float) -> bool:
        """Wait until something may have been announced, or for so many seconds; False when they passed."""
        ...


class Database(Reader, Protocol):
    """Rows that survive. One object may be used from several threads; each process opens its own."""

    def transaction(self, *, wait: float | None = None) -> Any:
        """Return a context manager that gives a Transaction, commits at its end and rolls back on an exception.

        `wait`: seconds to wait while another process writes; None: a few, for whoever has somebody waiting.
        """
        ...

    def changes(self, topic: str) -> AbstractContextManager[Changes]:
        """Give what waits for announcements of a topic."""
        ...

    def beside(self) -> AbstractContextManager[Database]:
        """Give a database that a background thread may use while this one is at work."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


class SqliteDatabase:
    """SQLite in WAL mode: readers never wait for the writer, one writer at a time."""

    def __init__(self, path: Path, *, timeout: float = 5.0) -> None:
        self._path, self._timeout = path, timeout
        self._lock = threading.RLock()
        self._after: dict[str, Callable[[], None]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(path, error) from error
        with self._explained():
            self._connection = self._connected(path, timeout)
        self._place = path.absolute()  # a process may go to another folder
        self._file = _file(self._place)

    def _connected(self, path: Path, timeout: float) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
        _use_wal(connection, timeout)
        for pragma in ("synchronous = NORMAL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    @property
    def path(self) -> Path:
        """The database file."""
        return self._path

    @contextmanager
    def transaction(self, *, wait: float | None = None) -> Iterator[Transaction]:
        """Give a write transaction.

        Raises:
            BusyError: another process kept the write lock for longer than `wait`, or else than the timeout.
            StoreError: the disk is full, the file is damaged, or is not the one any more that was opened.
        """
        if _file(self._place) != self._file:
            raise _gone(self._place)
        wait = self._timeout if wait is None else wait
        with self._lock, self._explained(wait):
            self._begin(wait)
            self._after.clear()
            try:
                yield self
                self._connection.execute("COMMIT")
                for action in self._after.values():
                    action()
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _begin(self, wait: float) -> None:
        """Take the write lock: the only moment at which SQLite waits for another writer."""
        if wait == self._timeout:
            self._connection.execute("BEGIN IMMEDIATE")
            return
        self._connection.execute(f"PRAGMA busy_timeout = {round(wait * 1000)}")
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {round(self._timeout * 1000)}")

    def execute(self, sql: str, **values: Any) -> int:
        """Run a statement inside the open transaction."""
        with self._lock:
            if not self._connection.in_transaction:
                raise RuntimeError("execute() outside a transaction")
            try:
                return self._connection.execute(sql, values).rowcount
            except sqlite3.DatabaseError as error:
                self._refuse(error)

    def after_commit(self, name: str, action: Callable[[], None]) -> None:
        """Remember an action for the end of the open transaction."""
        self._after[name] = action

    def announce(self, topic: str) -> None:
        """Nobody is told: SQLite has no way to; who follows looks at the tables now and then."""

    def changes(self, topic: str) -> AbstractContextManager[Changes]:  # noqa: ARG002  (the port's signature)
        """Give what waits for as long as it is told to."""
        return nullcontext(_Pauses())

    @contextmanager
    def beside(self) -> Iterator[Database]:
        """Give another connection to the file."""
        other = SqliteDatabase(self._place, timeout=self._timeout)
        try:
            yield other
        finally:
            other.close()

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """Return every row of a query as dictionaries."""
        cursor, found = self._fetched(sql, values, sqlite3.Cursor.fetchall)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found]

    def row(self, sql: str, **values: Any) -> Row | None:
        """Return the first row of a query, or None."""
        cursor, found = self._fetched(sql, values, sqlite3.Cursor.fetchone)
        return (
            None if found is None else {column[0]: one for column, one in zip(cursor.description, found, strict=True)}
        )

    def _fetched(self, sql: str, values: Row, fetch: Callable[[sqlite3.Cursor], T]) -> tuple[sqlite3.Cursor, T]:
        """Run a query; its cursor tells the names of the columns."""
        with self._lock:  # no context manager for the faults: a look of the controller asks hundreds of times
            try:
                cursor = self._connection.execute(sql, values)
                return cursor, fetch(cursor)
            except sqlite3.DatabaseError as error:
                self._refuse(error)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _explained(self, wait: float | None = None) -> Iterator[None]:
        """Turn the faults of SQLite, and of the disk, into errors that say what to do."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            self._refuse(error, wait)

    def _refuse(self, error: sqlite3.DatabaseError, wait: float | None = None) -> NoReturn:
        """Say what to do about a fault; what breaks a constraint is a matter of who asked."""
        if isinstance(error, sqlite3.IntegrityError):
            raise error
        raise _explain(error, self._path, self._timeout if wait is None else wait) from error


class _Pauses:
    """Waits, and hears nothing."""

    def wait(self, seconds: float) -> bool:
        """Let the time pass."""
        time.sleep(seconds)
        return False


def open_database(path: Path, *, mounts: Path = TABLE) -> Database:
    """Open (and create when missing) the embedded database; `mounts` is the machine's table of filesystems.

    Raises:
        BusyError: another process keeps it to itself.
        StoreError: it is damaged, can't be written, or lies on a network drive.
    """
    require_local(path, table=mounts)
    return SqliteDatabase(path)


def _use_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """Switch to WAL mode. SQLite does not wait when another process switches the same new file at this moment."""
    until = time.monotonic() + timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= until:
                raise
            time.sleep(0.005)


def _file(path: Path) -> tuple[int, int] | None:
    """Return what names the file at a path for good; None when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  (Path.stat is slower, and each transaction asks)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _gone(path: Path) -> StoreError:
    """What is written to a file that has been removed is lost, and SQLite does not say so."""
    return StoreError(
        what="the database file was removed or replaced while it was in use",
        why=f"{shown(path)} is not the file that this process opened",
        fix="put the file back, or start again with the one that is there now; nothing of this change was stored",
        where=Place(file=shown(path)),
    )


def _explain(error: sqlite3.DatabaseError, path: Path, wait: float) -> DetentError:
    text = str(error)
    where = Place(file=shown(path))
    if "locked" in text or "busy" in text:
        return BusyError(
            what="the database is busy",
            why=f"another process holds its write lock for longer than {wait:g} seconds",
            fix="wait for the other `detent` command to end, or end it, and try again",
            where=where,
        )
    if "readonly" in text:
        return StoreError(
            what="the database is read-only",
            why=f"SQLite says: {text}; the file, its folder or the disk may not be written by this user",
            fix="mend the permissions of the file and its folder, or mount the disk for writing; nothing was changed",
            where=where,
        )
    if "full" in text or "I/O" in text or "unable to open" in text:
        return StoreError(
            what="the database can't be written",
            why=f"the operating system says: {text}",
            fix="free some disk space or mend the folder's permissions; nothing of this change was stored",
            where=where,
        )
    return StoreError(
        what="the database refused a statement",
        why=text,
        fix="if the file is damaged, restore it from a backup; else report this as a bug with the text above",
        where=where,
    )
