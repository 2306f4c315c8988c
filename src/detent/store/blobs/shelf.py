"""How a file comes into a folder of blobs: written under `.new/`, put on the disk, renamed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from detent.store.atomic import open_new, sync_folder, unique_name
from detent.store.blobs.naming import name_of
from detent.store.copying import changed, hash_descriptor

FRESHNESS = 3600.0  # seconds after which storing the same bytes again renews a blob's age
MODE = 0o444


class Shelf:
    """A folder of blobs as its writers see it. Methods raise OSError; whoever calls them says what it means."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.folder, self.durable = folder, durable
        self.new, self.aside = folder / ".new", folder / "quarantine"

    def place(self, digest: str) -> Path:
        """Return where a blob's file lies, or would lie."""
        return self.folder / name_of(digest)

    @contextlib.contextmanager
    def fresh(self) -> Iterator[tuple[int, Path]]:
        """Give an empty file (descriptor, path) that is removed at the end, unless it was renamed.

        It is locked: a sweep leaves it alone as long as this process lives, whatever the clock says.
        """
        path = self.new / unique_name()
        try:
            descriptor = open_new(path)
        except FileNotFoundError:
            make_folder(self.new)
            descriptor = open_new(path)
        try:
            lock(descriptor)
            yield descriptor, path
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)

    def commit(self, descriptor: int, waiting: Path, digest: str) -> None:
        """Put a whole file on the disk, make it read-only and give it its name: from then on the blob is there."""
        os.fchmod(descriptor, MODE)
        if self.durable:
            os.fsync(descriptor)
        self.name(waiting, digest)
        self.sync_name(digest)

    def name(self, waiting: Path, digest: str) -> None:
        """Rename a file to a blob; not yet safe from a power cut."""
        place = self.place(digest)
        try:
            waiting.rename(place)
        except FileNotFoundError:
            make_folder(place.parent)
            waiting.rename(place)

    def sync_name(self, digest: str) -> None:
        """Make the rename survive a power cut."""
        if self.durable:
            sync_folder(self.place(digest).parent)

    def keeps(self, digest: str, size: int) -> bool:
        """True when these bytes are there and whole.

        A damaged blob is moved aside: else the good bytes, stored again, would be taken as stored already. A blob that
        was stored long ago becomes young again: somebody is about to refer to it, and a collection must not take it.
        """
        place = self.place(digest)
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            found = os.fstat(descriptor)
            whole = found.st_size == size and hash_descriptor(descriptor) == digest
        finally:
            os.close(descriptor)
        if not whole:
            self.quarantine(digest)
        elif abs(time.time() - found.st_mtime) > FRESHNESS:
            with contextlib.suppress(OSError):  # a store that only others may write keeps its times
                os.utime(place)
        return whole

    def may_take(self, path: Path, found: os.stat_result) -> bool:
        """True when a given-up file can be renamed into the store and made read-only there."""
        mine = found.st_uid == os.geteuid() or os.geteuid() == 0
        return mine and found.st_dev == self.folder.stat().st_dev and not path.is_symlink()

    def take(self, path: Path, digest: str, before: os.stat_result) -> None:
        """Rename a given-up file, hashed and on the disk, to its blob; not yet safe from a power cut.

        Raises:
            DataError: between our look and the rename somebody wrote to it, or put another file there; it is back.
        """
        self.name(path, digest)
        place = self.place(digest)
        after = place.stat()
        if (after.st_ino, after.st_size, after.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
            place.rename(path)
            raise changed(path, before.st_size, after.st_size)
        place.chmod(MODE)

    def remove(self, path: Path, digest: str) -> None:
        """Remove a given-up file whose bytes are stored, unless it is the blob itself."""
        if path.is_symlink() or path.resolve() != self.place(digest).resolve():
            path.unlink(missing_ok=True)

    def quarantine(self, digest: str) -> None:
        """Move a blob to `quarantine/`, under its digest and a number."""
        with contextlib.suppress(FileExistsError):
            self.aside.mkdir()
        number = 1
        while (aside := self.aside / f"{digest}.{number}").exists():
            number += 1
        with contextlib.suppress(FileNotFoundError):
            self.place(digest).rename(aside)

    def sweep(self, older_than: float) -> int:
        """Remove what lies under `.new/` for so many seconds and is held by no living process; return how many."""
        entries = list(self.new.iterdir()) if self.new.is_dir() else []
        return sum(_remove_if_left(entry, time.time() - older_than) for entry in entries)


def lock(descriptor: int) -> bool:
    """Hold a file until this process closes it or dies. True when it is ours, or its filesystem knows no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def make_folder(folder: Path) -> None:
    """Make one folder below the store. Not its parents: a store that was removed must not come back empty."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        sync_folder(folder.parent)


def _remove_if_left(path: Path, before: float) -> int:
    with contextlib.suppress(FileNotFoundError):  # its writer has just ended
        found = path.lstat()
        if max(found.st_mtime, found.st_ctime) >= before:
            return 0
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if not lock(descriptor):
                return 0
            files = list(path.iterdir()) if path.is_dir() else [path]
            for file in files:
                file.unlink(missing_ok=True)
            if path.is_dir():
                path.rmdir()
            return len(files)
        finally:
            os.close(descriptor)
    return 0
