"""Many small blobs at once: the disk is waited for per thousands of files, not per file.

Storing 100,000 files of 10 kB one by one takes two waits each. Here a batch is written first, one `syncfs` puts all of
it on the disk, then the files get their names, and a second `syncfs` makes the names safe. A pack file would save the
making of files too, but then no blob could be linked, shared or handed out as the file it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from detent.store.atomic import open_new, sync_filesystem, sync_folder, unique_name, write_all
from detent.store.blobs.shelf import MODE, Shelf, lock, make_folder
from detent.store.canonical import digest as digest_bytes
from detent.store.copying import hash_descriptor, open_regular, reflink, require_unchanged

SMALL = 8 << 20  # bytes; a larger file is stored by itself
FILES, BYTES = 4096, 256 << 20  # a batch ends at either


class Batch:
    """Files on their way into a store; what `flush` has not named when the block ends is dropped."""

    def __init__(self, shelf: Shelf, *, move: bool, alone: Callable[[Path], str]) -> None:
        """Begin; `alone` stores a large file by itself."""
        self._shelf, self._move, self._alone = shelf, move, alone
        self._folder = shelf.new / unique_name()
        self._written: dict[str, Path] = {}  # digest -> our file with its bytes
        self._taken: dict[str, tuple[Path, os.stat_result]] = {}  # digest -> a given-up file, to be renamed
        self._given_up: list[tuple[Path, str]] = []  # files to be removed once their bytes, of that digest, are safe
        self._size = 0
        self._shares = True  # as long as no file was refused

    def store(self, items: Iterable[Path | bytes]) -> list[str]:
        """Store every item and return the digests in order."""
        make_folder(self._shelf.new)
        self._folder.mkdir()
        held = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            lock(held)
            digests = []
            for item in items:
                digests.append(self._add(item))
                if len(self._written) + len(self._taken) >= FILES or self._size >= BYTES:
                    self._flush()
            self._flush()
        finally:
            for file in self._folder.iterdir():
                file.unlink()
            self._folder.rmdir()
            os.close(held)
        return digests

    def _add(self, item: Path | bytes) -> str:
        if isinstance(item, Path):
            return self._add_file(item)
        digest = digest_bytes(item)
        if not self._has(digest, len(item)):
            self._write(digest, item, None)
        return digest

    def _add_file(self, path: Path) -> str:
        with open_regular(path) as source:
            before = os.fstat(source)
            if before.st_size > SMALL:
                return self._alone(path)
            data = os.pread(source, before.st_size + 1, 0)
            require_unchanged(path, source, before)
            digest = digest_bytes(data)
            if self._has(digest, len(data)):
                self._give_up(path, digest)
            elif self._move and self._shelf.may_take(path, before):
                self._taken[digest] = path, before
                self._size += len(data)
            else:
                self._write(digest, data, source)
                self._give_up(path, digest)
        return digest

    def _has(self, digest: str, size: int) -> bool:
        return digest in self._written or digest in self._taken or self._shelf.keeps(digest, size)

    def _give_up(self, path: Path, digest: str) -> None:
        if self._move and (digest not in self._taken or self._taken[digest][0] != path):
            self._given_up.append((path, digest))

    def _write(self, digest: str, data: bytes, source: int | None) -> None:
        path = self._folder / digest
        descriptor = open_new(path)
        try:
            if not self._share(source, descriptor, digest):
                os.ftruncate(descriptor, 0)
                write_all(descriptor, data)
            os.fchmod(descriptor, MODE)
        finally:
            os.close(descriptor)
        self._written[digest] = path
        self._size += len(data)

    def _share(self, source: int | None, target: int, digest: str) -> bool:
        if source is None or not self._shares:
            return False
        self._shares = reflink(source, target)
        return self._shares and hash_descriptor(target) == digest

    def _flush(self) -> None:
        self._sync(self._shelf.folder, [*self._written.values(), *(path for path, _ in self._taken.values())])
        for digest, path in self._written.items():
            self._shelf.name(path, digest)
        for digest, (path, before) in self._taken.items():
            self._shelf.take(path, digest, before)
        self._sync(self._shelf.folder, {self._shelf.place(digest).parent for digest in (*self._written, *self._taken)})
        for path, digest in self._given_up:
            self._shelf.remove(path, digest)
        self._written, self._taken, self._given_up, self._size = {}, {}, [], 0

    def _sync(self, filesystem: Path, paths: Collection[Path]) -> None:
        if self._shelf.durable and paths and not sync_filesystem(filesystem):
            for path in paths:
                sync_folder(path)  # it opens and syncs a file as well
