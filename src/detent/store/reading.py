"""A database that may only be read: its folder is mounted read-only, or belongs to somebody else."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from urllib.parse import quote

from detent.store.database import Database, SqliteDatabase
from detent.store.mounts import TABLE, require_local

WAL = "-wal"  # what was committed and is not in the file yet


def may_write(path: Path) -> bool:
    """Tell whether this process may change what lies at a path, as far as the operating system says it beforehand."""
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def open_reading(path: Path, *, mounts: Path = TABLE) -> Database:
    """Open an existing SQLite database without changing a byte in its folder; a transaction is refused.

    What somebody else has committed is seen. Where SQLite can't read along, because its folder holds changes that are
    not in the file yet and nobody has it open, a copy is read.

    Raises:
        StoreError: it is not there, can't be read, or is damaged.
    """
    require_local(path, table=mounts)
    return _ReadingDatabase(path)


class _ReadingDatabase(SqliteDatabase):
    """SQLite without a way to write."""

    def _connected(self, path: Path, timeout: float) -> sqlite3.Connection:
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        try:
            return _open(path, "mode=ro", timeout)
        except sqlite3.OperationalError:
            wal = path.with_name(path.name + WAL)
            if not wal.exists() or not wal.stat().st_size:
                return _open(path, "mode=ro&immutable=1", timeout)  # nobody has it open: nothing can change
        self._copy = tempfile.TemporaryDirectory(prefix="detent-read-")
        mine = Path(self._copy.name) / path.name
        shutil.copyfile(path, mine)
        shutil.copyfile(wal, mine.with_name(mine.name + WAL))
        copied = _open(mine, "mode=rw", timeout)
        copied.execute("PRAGMA query_only = ON")
        return copied

    def close(self) -> None:
        """Close the file, and remove the copy."""
        super().close()
        if self._copy is not None:
            self._copy.cleanup()


def _open(path: Path, how: str, timeout: float) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?{how}"
    found = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        found.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        found.close()
        raise
    return found
