"""Files that are either the old version or the new one, whatever happens in between."""

from __future__ import annotations

import errno
import os
from importlib import import_module
from pathlib import Path

from detent.errors import StoreError
from detent.store.refusals import refusal, shown


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that a reader, or a crash at any moment, sees the old bytes or the new ones.

    Raises:
        StoreError: the disk is full or not writable; the old file is untouched.
    """
    try:
        _write(path, data, mode)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> StoreError:
    """Return the error that says why the operating system did not let us write."""
    what = f"{shown(Path(path.name))} can't be written"
    return refusal(error, what=what, path=path, kept="what was there before is untouched")


def unique_name() -> str:
    """Return a hidden file name that no other process, thread or moment uses.

    Not `tempfile`: importing it costs more than a run in which nothing changed may take.
    """
    return f".new.{os.getpid()}.{os.urandom(8).hex()}"


def open_new(path: Path, *, mode: int = 0o600) -> int:
    """Make a file that must not exist yet and return its descriptor, which may read and write."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte; a write to a disk that is nearly full may take only a part of them."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _write(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(unique_name())
    descriptor = open_new(temporary)
    try:
        try:
            write_all(descriptor, data)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(folder: Path) -> bool:
    """Write everything that waits in memory for the folder's filesystem to the disk. False where that can't be asked.

    Two such calls cost as much as a few `fsync`, whatever the number of files: they make storing many small files fast.

    Raises:
        OSError: something could not be written (Linux 5.8 and later tell).
    """
    # ctypes costs more to import than all the rest of the store; most runs never come here.
    ctypes = import_module("ctypes")
    call = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if call is None:
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if call(descriptor) == 0:
            return True
        number = ctypes.get_errno()
        if number in (errno.ENOSYS, errno.EPERM):
            return False
        raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
