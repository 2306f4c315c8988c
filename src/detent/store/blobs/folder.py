"""Blobs in a local folder: `ab/cdef...`, read-only files. A rename is the moment from which a blob is there."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from detent.store.atomic import write_all
from detent.store.blobs.batch import Batch
from detent.store.blobs.naming import absent, damaged, is_digest
from detent.store.blobs.protocol import Stat
from detent.store.blobs.share import share_blob
from detent.store.blobs.shelf import Shelf
from detent.store.canonical import digest as digest_bytes
from detent.store.copying import copy_hashed, hash_descriptor, open_regular, reflink, require_unchanged
from detent.store.refusals import explained, refusal

_KEPT = "what was there is as it was"


class FolderBlobs:
    """Blobs in a local folder. Files are written under `.new/` and renamed; damaged ones go to `quarantine/`."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        """Open the folder, or make it. Not `durable`: for copies that can be fetched again, the disk isn't waited for.

        Raises:
            StoreError: it can't be made.
        """
        self._shelf = Shelf(folder, durable=durable)
        if not folder.is_dir():
            with explained("the blob store can't be made", folder, kept=_KEPT):
                folder.mkdir(parents=True, exist_ok=True)

    @property
    def folder(self) -> Path:
        """Where the blobs lie."""
        return self._shelf.folder

    def put(self, data: bytes) -> str:
        """Store bytes; a crash leaves the whole blob or none."""
        digest = digest_bytes(data)
        with self._writing():
            if not self._shelf.keeps(digest, len(data)):
                with self._shelf.fresh() as (descriptor, waiting):
                    write_all(descriptor, data)
                    self._shelf.commit(descriptor, waiting, digest)
        return digest

    def put_file(self, path: Path, *, move: bool = False) -> str:
        """Store a file's bytes: renamed when it is given up, else sharing blocks, else copied."""
        with self._writing(), open_regular(path) as source:
            before = os.fstat(source)
            digest = self._take(path, source, before) if move and self._shelf.may_take(path, before) else None
            if digest is None:
                digest = self._copy(path, source, before)
                if move:
                    self._shelf.remove(path, digest)
        return digest

    def put_many(self, items: Iterable[Path | bytes], *, move: bool = False) -> list[str]:
        """Store many small files with few waits for the disk; large ones go one by one."""
        with self._writing():
            return Batch(self._shelf, move=move, alone=lambda path: self.put_file(path, move=move)).store(items)

    def get(self, digest: str) -> bytes:
        """Return checked bytes."""
        with self.open(digest) as file, self._reading(digest):
            data = file.read()
        if digest_bytes(data) != digest:
            raise damaged(digest, str(self._shelf.place(digest)))
        return data

    def open(self, digest: str) -> BinaryIO:
        """Return the file, opened; not checked."""
        with self._reading(digest):
            return self._shelf.place(digest).open("rb")

    def path(self, digest: str, *, known: Stat | None = None) -> Path:
        """Return the blob's own file after checking its bytes."""
        if (known is None or not self.unchanged(digest, known)) and not self.is_whole(digest):
            raise damaged(digest, str(self._shelf.place(digest)))
        return self._shelf.place(digest)

    def materialise(self, digest: str, target: Path, *, writable: bool = True, known: Stat | None = None) -> str:
        """Share, link or copy the blob's file to `target`. The copy is not synced: it can be made again."""
        trusted = known is not None and self.unchanged(digest, known)
        place = self._shelf.place(digest)
        with self.open(digest) as file:
            return share_blob(file.fileno(), place, target, digest=digest, writable=writable, trusted=trusted)

    def has(self, digest: str) -> bool:
        """True when the file exists."""
        return self.stat(digest) is not None

    def size(self, digest: str) -> int:
        """Return the file's size."""
        return self._found(digest).size

    def stat(self, digest: str) -> Stat | None:
        """Return size, times and inode of the file."""
        place = self._shelf.place(digest)
        try:
            found = os.stat(place)  # noqa: PTH116  (Path.stat is slower, and this is asked for every output of a run)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise refusal(error, what=f"blob {digest[:12]} can't be read", path=place, kept=_KEPT) from error
        return Stat(size=found.st_size, mtime_ns=found.st_mtime_ns, ctime_ns=found.st_ctime_ns, ino=found.st_ino)

    def unchanged(self, digest: str, stat: Stat) -> bool:
        """True when size, times and inode are the same."""
        return self.stat(digest) == stat

    def is_whole(self, digest: str) -> bool:
        """Hash the file."""
        with self.open(digest) as file, self._reading(digest):
            return hash_descriptor(file.fileno()) == digest

    def names(self) -> Iterator[str]:
        """Yield every digest in order."""
        folder = self._shelf.folder
        for top in (name for name in _listed(folder) if len(name) == 2):
            yield from (top + rest for rest in _listed(folder / top) if is_digest(top + rest))

    def age(self, digest: str) -> float:
        """Return the seconds since the file's time, which is when it was stored."""
        return max(0.0, time.time() - self._found(digest).mtime_ns / 1e9)

    def delete(self, digest: str) -> None:
        """Remove the file."""
        place = self._shelf.place(digest)
        with explained(f"blob {digest[:12]} can't be removed", place, kept=_KEPT):
            place.unlink(missing_ok=True)

    def quarantine(self, digest: str) -> None:
        """Move the file to `quarantine/`, under its digest and a number."""
        place = self._shelf.place(digest)
        with explained(f"the damaged blob {digest[:12]} can't be moved aside", place, kept=_KEPT):
            self._shelf.quarantine(digest)

    def quarantined(self) -> Iterator[str]:
        """Yield the digests of the files in `quarantine/`."""
        if self._shelf.aside.is_dir():
            yield from (name[:64] for name in _listed(self._shelf.aside) if is_digest(name[:64]))

    def sweep(self, *, older_than: float) -> int:
        """Remove files under `.new/` that are old enough and that no living process holds."""
        with explained("what killed writers left can't be removed", self._shelf.new, kept="no blob was touched"):
            return self._shelf.sweep(older_than)

    def _take(self, path: Path, source: int, before: os.stat_result) -> str | None:
        """Rename a given-up file into the store; None when its filesystem turns out to be another one."""
        digest = hash_descriptor(source)
        require_unchanged(path, source, before)
        if self._shelf.keeps(digest, before.st_size):
            self._shelf.remove(path, digest)
            return digest
        if self._shelf.durable:
            os.fsync(source)
        try:
            self._shelf.take(path, digest, before)
        except OSError as error:
            if error.errno in (errno.EXDEV, errno.EPERM, errno.EACCES):
                return None
            raise
        self._shelf.sync_name(digest)
        return digest

    def _copy(self, path: Path, source: int, before: os.stat_result) -> str:
        with self._shelf.fresh() as (descriptor, waiting):
            shares = reflink(source, descriptor)
            digest = hash_descriptor(descriptor) if shares else copy_hashed(source, descriptor)
            require_unchanged(path, source, before)
            if not self._shelf.keeps(digest, os.fstat(descriptor).st_size):
                self._shelf.commit(descriptor, waiting, digest)
        return digest

    def _found(self, digest: str) -> Stat:
        found = self.stat(digest)
        if found is None:
            raise absent(digest, str(self._shelf.place(digest)))
        return found

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        kept = "nothing half-written is left, and what was there is as it was"
        return explained("a blob can't be written", self._shelf.folder, kept=kept)

    @contextlib.contextmanager
    def _reading(self, digest: str) -> Iterator[None]:
        place = self._shelf.place(digest)
        with explained(f"blob {digest[:12]} can't be read", place, kept=_KEPT):
            try:
                yield
            except FileNotFoundError as error:
                if self._shelf.folder.is_dir():
                    raise absent(digest, str(place)) from error
                raise


def _listed(folder: Path) -> list[str]:
    with explained("the blobs can't be listed", folder, kept=_KEPT):
        return sorted(os.listdir(folder))  # noqa: PTH208  (100,000 names: no need for 100,000 paths)
