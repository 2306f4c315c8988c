"""Files that are either the old version or the new one, whatever happens in between."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from detent.errors import Place, StoreError


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
    return StoreError(
        what=f"{path.name} can't be written",
        why=f"the operating system says: {error.strerror or error}",
        fix="free some disk space or mend the folder's permissions; what was there before is untouched",
        where=Place(file=str(path)),
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
