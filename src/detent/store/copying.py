"""Bytes from file to file: hashed on the way, or shared by the filesystem. Whole files are never held in memory."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from detent.errors import DataError, Place
from detent.store.atomic import write_all
from detent.store.refusals import explained, shown

BLOCK = 1 << 20  # bytes held in memory at a time
_FICLONE = 0x40049409  # linux/fs.h: the target shares the source's blocks until one of them is written
# What filesystems answer that can't share blocks, or not these: no error, only a reason to copy.
_NO_SHARING = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM})


def hash_descriptor(source: int) -> str:
    """Return the sha256 of all bytes of an open file."""
    return copy_hashed(source, None)


def copy_hashed(source: int, target: int | None) -> str:
    """Copy an open file from its beginning to the target's position and return the sha256 of what was copied."""
    sha = hashlib.sha256()
    buffer = memoryview(bytearray(min(BLOCK, os.fstat(source).st_size + 1)))  # most files are small
    at = 0
    while size := os.preadv(source, [buffer], at):
        piece = buffer[:size]
        sha.update(piece)
        if target is not None:
            write_all(target, piece)
        at += size
    return sha.hexdigest()


def reflink(source: int, target: int) -> bool:
    """Make the empty target share the source's blocks; False where the filesystem can't (ext4, two disks)."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _NO_SHARING:
            return False
        raise
    return True


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[int]:
    """Give the descriptor of a regular file; symbolic links are followed.

    Raises:
        DataError: it is not there, or is a folder, pipe or device.
        StoreError: it can't be opened.
    """
    with explained(f"{shown(Path(path.name))} can't be read", path, kept="nothing was changed"):
        try:
            # Without O_NONBLOCK a pipe that nobody writes to would keep us waiting for ever.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError as error:
            raise _no_file(path, "there is no file of that name") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _no_file(path, "it is a folder, a pipe or a device")
        yield descriptor
    finally:
        os.close(descriptor)


def require_unchanged(path: Path, descriptor: int, before: os.stat_result) -> None:
    """Refuse a file that was written, or replaced by another one, since `before` was taken.

    Raises:
        DataError: what was read is perhaps neither the old content nor the new one.
    """
    after = os.fstat(descriptor)
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise changed(path, before.st_size, after.st_size)


def require_same(path: Path, before: os.stat_result) -> None:
    """Refuse a path that no longer leads to the file, with the size and time, of `before`; raises DataError."""
    after = path.stat()
    if (after.st_dev, after.st_ino) != (before.st_dev, before.st_ino) or (after.st_size, after.st_mtime_ns) != (
        before.st_size,
        before.st_mtime_ns,
    ):
        raise changed(path, before.st_size, after.st_size)


def changed(path: Path, before: int, after: int) -> DataError:
    """Return the error for a file that was written while it was read; `before` and `after` are its sizes in bytes."""
    return DataError(
        what=f"{shown(Path(path.name))} was changed while it was read",
        why=f"it had {before:,} bytes at the beginning and {after:,} at the end, or was written to",
        fix="wait until the program that writes it has ended, and try again; nothing was stored",
        where=Place(file=shown(path)),
    )


def _no_file(path: Path, why: str) -> DataError:
    return DataError(
        what=f"{shown(Path(path.name))} can't be stored",
        why=why,
        fix="give the path of a regular file; nothing was changed",
        where=Place(file=shown(path)),
    )
