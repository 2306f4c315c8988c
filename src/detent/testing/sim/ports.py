"""What processes reach outside, each call of it a place where things go wrong: database, blobs, serving processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from detent.loop.releases.traffic import PREPARE_SECONDS
from detent.store.blobs.folder import FolderBlobs
from detent.store.database import Changes, Database, Row, Transaction
from detent.testing.sim.process import Process

BEGIN, STATEMENT, COMMIT, COMMITTED, END, READ = "begin", "statement", "commit", "committed", "end", "read"
PREPARE, PREPARED, SETTLE, SEND, SENT, PUT, GET = "prepare", "prepared", "settle", "send", "sent", "put", "get"
TRAIN = "train"


class PortedDatabase:
    """A database of one process: before it begins, at each statement, before and after the commit, and at reads."""

    def __init__(self, inner: Database, process: Process) -> None:
        self._inner, self._process = inner, process

    @property
    def path(self) -> Path:
        """The database file."""
        return self._inner.path

    @contextmanager
    def transaction(self, *, wait: float | None = None) -> Iterator[Transaction]:
        """Give a write transaction."""
        process = self._process
        process.port(BEGIN)
        process.depth += 1
        try:
            with self._inner.transaction(wait=wait) as tx:
                tx.after_commit("simulation", lambda: process.port(COMMITTED))
                yield _PortedTransaction(tx, process)
                process.port(COMMIT)
        finally:
            process.depth -= 1
        process.port(END)

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """Return every row of a query."""
        self._process.port(READ)
        return self._inner.rows(sql, **values)

    def row(self, sql: str, **values: Any) -> Row | None:
        """Return the first row of a query."""
        self._process.port(READ)
        return self._inner.row(sql, **values)

    def changes(self, topic: str) -> AbstractContextManager[Changes]:
        """Give what waits for announcements."""
        return self._inner.changes(topic)

    @contextmanager
    def beside(self) -> Iterator[Database]:
        """Give a database for a background thread of the same process."""
        with self._inner.beside() as other:
            yield PortedDatabase(other, self._process)

    def close(self) -> None:
        """Let go of the file; also what a dead process does, by the hand of the kernel."""
        self._inner.close()


class _PortedTransaction:
    """An open transaction."""

    def __init__(self, inner: Transaction, process: Process) -> None:
        self._inner, self._process = inner, process

    @property
    def path(self) -> Path:
        return self._inner.path

    def execute(self, sql: str, **values: Any) -> int:
        self._process.port(STATEMENT, sql)
        return self._inner.execute(sql, **values)

    def rows(self, sql: str, **values: Any) -> list[Row]:
        self._process.port(STATEMENT)
        return self._inner.rows(sql, **values)

    def row(self, sql: str, **values: Any) -> Row | None:
        self._process.port(STATEMENT)
        return self._inner.row(sql, **values)

    def after_commit(self, name: str, action: Callable[[], None]) -> None:
        self._inner.after_commit(name, action)

    def announce(self, topic: str) -> None:
        self._inner.announce(topic)


class PortedBlobs(FolderBlobs):
    """A folder of blobs; bytes that come and go pass the port."""

    def __init__(self, folder: Path, process: Process) -> None:
        super().__init__(folder)
        self._process = process

    def put(self, data: bytes) -> str:
        """Store bytes."""
        self._process.port(PUT)
        return super().put(data)

    def put_file(self, path: Path, *, move: bool = False) -> str:
        """Store a file."""
        self._process.port(PUT)
        return super().put_file(path, move=move)

    def get(self, digest: str) -> bytes:
        """Return bytes."""
        self._process.port(GET)
        return super().get(digest)


class PortedGateway:
    """The serving processes, as a controller reaches them."""

    def __init__(self, process: Process, follow: Callable[[Sequence[int]], Mapping[int, str]]) -> None:
        """`follow` lets every serving process look at the routes, and says which versions were refused."""
        self._process, self._follow = process, follow

    def prepare(self, versions: Sequence[int], timeout: float = PREPARE_SECONDS) -> Mapping[int, str]:
        """Have the versions loaded."""
        del timeout
        self._process.port(PREPARE)
        refused = self._follow(versions)
        self._process.port(PREPARED)
        return refused

    def settle(self) -> None:
        """Shadows have answered: they do at the end of each turn."""
        self._process.port(SETTLE)
