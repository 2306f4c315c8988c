"""One process at a time: a lock file that the system lets go of when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from detent.errors import BusyError, Place
from detent.store.atomic import unwritable


@contextlib.contextmanager
def held_lock(path: Path, *, what: str, why: str, fix: str) -> Iterator[None]:
    """Hold the lock file while the block runs; never waits. `{pid}` in `why` and `fix` becomes the holder's number.

    Raises:
        BusyError: another process holds it; made of `what`, `why` and `fix`.
        StoreError: the file can't be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)  # not inherited: a worker can't keep the lock
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "of unknown number"
            raise BusyError(
                what=what,
                why=why.replace("{pid}", holder),
                fix=fix.replace("{pid}", holder),
                where=Place(file=str(path)),
            ) from error
        _say_who(path, descriptor)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def awaited_lock(path: Path) -> Iterator[None]:
    """Hold the lock file while the block runs, and wait for it as long as it takes.

    Raises:
        StoreError: the file can't be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _say_who(path: Path, descriptor: int) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except OSError as error:
        raise unwritable(path, error) from error
