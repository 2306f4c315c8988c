"""One run at a time in a project's state folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from detent.errors import BusyError, Place


@contextlib.contextmanager
def run_lock(path: Path) -> Iterator[None]:
    """Hold the lock file while the block runs. The system lets go of it when the process dies, however it dies.

    Raises:
        BusyError: another run holds it; its process id is named.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)  # not inherited: a worker can't keep the lock
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _busy(path, descriptor) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _busy(path: Path, descriptor: int) -> BusyError:
    holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
    return BusyError(
        what="another run is going on in this project",
        why=f"process {holder} holds the run lock" if holder else "another process holds the run lock",
        fix=f"wait until it ends, or end process {holder or 'that holds the file below'}",
        where=Place(file=str(path)),
    )
