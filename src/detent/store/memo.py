"""Digests of files that need no second reading, by what the filesystem says about them; git's index does the same."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from detent.store.copying import hash_descriptor, open_regular, require_unchanged
from detent.store.database import Database
from detent.store.queries import load_queries
from detent.store.refusals import explained, shown

RACY_NS = 2_000_000_000  # coarsest time stamp of a filesystem in use (FAT)
KEPT_NS = 180 * 86_400 * 1_000_000_000  # nanoseconds after which a file is read again even if it looks the same


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """What a file looks like from outside. Any change to its bytes, or another file at its path, changes this."""

    device: int
    inode: int
    size: int  # bytes
    mtime_ns: int  # nanoseconds of the epoch
    ctime_ns: int  # of the last change of bytes, permissions or links: nobody can set it back

    @property
    def file(self) -> str:
        """The file itself, whatever its path."""
        return f"{self.device}:{self.inode}"

    @property
    def look(self) -> str:
        """All that changes when its bytes do."""
        return f"{self.size}:{self.mtime_ns}:{self.ctime_ns}"


def state_of(found: os.stat_result) -> FileState:
    """Return the state that a stat shows."""
    return FileState(
        device=found.st_dev,
        inode=found.st_ino,
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        ctime_ns=found.st_ctime_ns,
    )


def is_settled(state: FileState, hashed_ns: int) -> bool:
    """True when a file that was hashed at that moment can be known by its state from then on.

    One that had been changed less than 2 seconds before could be changed again within the same tick of the
    filesystem's clock and look the same; so could one whose times lie in the future.
    """
    return max(state.mtime_ns, state.ctime_ns) + RACY_NS < hashed_ns


class StatMemo:
    """The digests in a database. What is learnt is written by `save`. Safe for several threads.

    Time is the machine's, whatever clock the project runs by: it is compared with the times of files.
    """

    def __init__(self, db: Database, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._db, self._now_ns = db, now_ns
        self._queries = load_queries("detent.store")
        self._learnt: dict[str, tuple[str, str, int]] = {}

    def known(self, state: FileState) -> str | None:
        """Return the digest of a file that looks as it did when it was hashed; None when it has to be read."""
        learnt = self._learnt.get(state.file)
        if learnt is None:
            row = self._db.row(self._queries["file_digest"], file=state.file)
            learnt = None if row is None else (row["state"], row["digest"], 0)
        return learnt[1] if learnt is not None and learnt[0] == state.look else None

    def learn(self, state: FileState, digest: str, hashed_ns: int) -> None:
        """Remember a digest that was computed from `hashed_ns` on; nothing happens when the file is too young."""
        if is_settled(state, hashed_ns):
            self._learnt[state.file] = (state.look, digest, hashed_ns)

    def digest(self, path: Path) -> str:
        """Return a file's sha256; it is read only when it is not known."""
        with contextlib.suppress(OSError):  # the reading says it better
            known = self.known(state_of(path.stat()))
            if known is not None:
                return known
        hashed_ns = self._now_ns()
        state, digest = _read(path)
        self.learn(state, digest, hashed_ns)
        return digest

    def save(self) -> None:
        """Write what was learnt in one transaction, and drop what was learnt half a year ago.

        Raises:
            BusyError, StoreError: the database can't be written; what was learnt is kept for the next call.
        """
        if not self._learnt:
            return
        learnt = dict(self._learnt)
        with self._db.transaction() as tx:
            for file, (look, digest, hashed_ns) in sorted(learnt.items()):
                tx.execute(
                    self._queries["remember_file_digest"], file=file, state=look, digest=digest, hashed_at=hashed_ns
                )
            tx.execute(self._queries["forget_file_digests"], before=self._now_ns() - KEPT_NS)
        for file, entry in learnt.items():
            if self._learnt.get(file) == entry:
                del self._learnt[file]


@contextlib.contextmanager
def stat_memo(db: Database) -> Iterator[StatMemo]:
    """Give a memo that is saved at the end of the block, also after an error: what was read was read."""
    memo = StatMemo(db)
    try:
        yield memo
    finally:
        memo.save()


def digest_of_file(path: Path, memo: StatMemo | None = None) -> str:
    """Return the sha256 of a file, streamed; with a memo an unchanged file is not read.

    Raises:
        DataError: it is not there, is no regular file, or was written while it was read.
        StoreError: it can't be read.
    """
    return _read(path)[1] if memo is None else memo.digest(path)


def _read(path: Path) -> tuple[FileState, str]:
    what = f"{shown(Path(path.name))} can't be read"
    with explained(what, path, kept="nothing was changed"), open_regular(path) as descriptor:
        before = os.fstat(descriptor)
        digest = hash_descriptor(descriptor)
        require_unchanged(path, descriptor, before)
    return state_of(before), digest
