"""Checked local copies of remote blobs."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from detent.errors import DetentError, Place, StoreError, TamperedError
from detent.store.atomic import open_new, unique_name, write_all
from detent.store.blobs.folder import FolderBlobs
from detent.store.blobs.naming import absent, damaged, name_of
from detent.store.blobs.objects import Objects
from detent.store.blobs.shelf import lock
from detent.store.canonical import digest as digest_bytes
from detent.store.refusals import explained

READS = 3  # times bytes that don't give their digest are fetched


class Copies:
    """A folder of copies, filled when they are asked for. A copy that is damaged or can't be read is fetched again."""

    def __init__(self, objects: Objects, folder: Path) -> None:
        self._objects = objects
        self._cache = FolderBlobs(folder, durable=False)
        self._scratch = folder / ".new"

    def get(self, digest: str) -> bytes:
        """Return checked bytes."""
        with self._cached(digest):
            return self._cache.get(digest)
        answers = set()
        for _ in range(READS):
            with self._present(digest):
                data = self._objects.read(name_of(digest))
            found = digest_bytes(data)
            if found == digest:
                with contextlib.suppress(StoreError):  # no space for copies: the bytes are good all the same
                    self._cache.put(data)
                return data
            answers.add(found)
        raise self._unreadable(digest, len(answers))

    def open(self, digest: str) -> BinaryIO | None:
        """Return the copy, opened; None when there is none."""
        with contextlib.suppress(StoreError):
            return self._cache.open(digest)
        return None

    def path(self, digest: str) -> Path:
        """Return the copy, checked."""
        with self._cached(digest):
            return self._cache.path(digest)
        with self._downloaded(digest, self._scratch / unique_name()) as file:
            self._cache.put_file(file, move=True)
        return self._cache.path(digest)

    def materialise(self, digest: str, target: Path, *, writable: bool) -> str:
        """Share, link or copy the copy; without one the bytes go to `target` only."""
        with self._cached(digest):
            return self._cache.materialise(digest, target, writable=writable)
        with self._downloaded(digest, target.with_name(unique_name())) as file:
            if not writable:
                file.chmod(0o444)
            file.replace(target)
        return "copy"

    def take(self, path: Path) -> None:
        """Make a file that is given up the copy; when that fails it is fetched when it is needed."""
        with contextlib.suppress(DetentError):
            self._cache.put_file(path, move=True)

    def forget(self, digest: str) -> None:
        """Remove the copy."""
        self._cache.delete(digest)

    def sweep(self, older_than: float) -> int:
        """Remove what killed readers left behind."""
        return self._cache.sweep(older_than=older_than)

    @contextlib.contextmanager
    def _cached(self, digest: str) -> Iterator[None]:
        """Use the copy inside the block; without a good one the block ends there and the code goes on."""
        try:
            yield
        except TamperedError:
            self._cache.delete(digest)
        except StoreError:  # there is none, or it can't be read
            return

    @contextlib.contextmanager
    def _downloaded(self, digest: str, file: Path) -> Iterator[Path]:
        """Give a local file with the checked bytes; what is left of it at the end is removed."""
        with explained(f"blob {digest[:12]} can't be fetched", file, kept="what was there is as it was"):
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._download(digest, file)
                yield file
            finally:
                file.unlink(missing_ok=True)

    def _download(self, digest: str, file: Path) -> None:
        name = name_of(digest)
        look = self._objects.look(name, may_appear=True)
        if look is None:
            raise absent(digest, self._objects.address(name))
        answers = set()
        descriptor = open_new(file, mode=0o666)  # less what the umask takes away
        try:
            lock(descriptor)  # a sweep leaves it alone
            for _ in range(READS):
                os.ftruncate(descriptor, 0)
                os.lseek(descriptor, 0, os.SEEK_SET)
                sha = hashlib.sha256()
                with self._present(digest), contextlib.closing(self._objects.blocks(name, look.size)) as blocks:
                    for block in blocks:
                        sha.update(block)
                        write_all(descriptor, block)
                if sha.hexdigest() == digest:
                    return
                answers.add(sha.hexdigest())
        finally:
            os.close(descriptor)
        raise self._unreadable(digest, len(answers))

    @contextlib.contextmanager
    def _present(self, digest: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise absent(digest, self._objects.address(name_of(digest))) from error

    def _unreadable(self, digest: str, answers: int) -> DetentError:
        address = self._objects.address(name_of(digest))
        if answers == 1:
            return damaged(digest, address)
        return StoreError(
            what=f"blob {digest[:12]} can't be read",
            why=f"the store gave {answers} different answers in {READS} reads, and none gives the digest",
            fix="check the connection and the store: bytes are lost or changed on the way",
            where=Place(file=address),
        )
