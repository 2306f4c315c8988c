"""Blobs on any fsspec filesystem (S3, GCS, Azure, SFTP, memory), with checked copies in a local folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
from fsspec.spec import AbstractFileSystem

from detent.errors import DataError, StoreError
from detent.plugins import missing
from detent.store.blobs.copies import Copies
from detent.store.blobs.naming import absent, digest_of_name, name_of
from detent.store.blobs.objects import Look, Objects
from detent.store.blobs.patience import Patience
from detent.store.blobs.protocol import Stat
from detent.store.blobs.shelf import FRESHNESS
from detent.store.blobs.stream import open_ranges
from detent.store.canonical import digest as digest_bytes
from detent.store.copying import hash_descriptor, open_regular, require_same, require_unchanged
from detent.store.refusals import explained, shown

WHOLE = 8 << 20  # bytes; larger files are streamed
TOGETHER = 16  # objects sent at the same time
_ASIDE, _YOUNG = "quarantine", "young"
_KEPT = "what was there is as it was"


class RemoteBlobs:
    """Blobs as objects `ab/cdef...`. What is read stays in the cache, which is checked at every read, too.

    `quarantine/` holds damaged ones; an empty object `young/ab/cdef...` says that an old blob was stored again.
    """

    def __init__(
        self, filesystem: AbstractFileSystem, root: str, cache: Path, *, patience: Patience | None = None
    ) -> None:
        self._objects = Objects(filesystem, root, patience or Patience())
        self._copies = Copies(self._objects, cache)

    def put(self, data: bytes) -> str:
        """Upload bytes unless an object of the same size is there."""
        digest = digest_bytes(data)
        if not self._keeps(digest, len(data)):
            self._objects.write(name_of(digest), data)
        return digest

    def put_file(self, path: Path, *, move: bool = False) -> str:
        """Upload a file's bytes; one that is given up becomes the cached copy."""
        with open_regular(path) as source, explained(f"{shown(Path(path.name))} can't be read", path, kept=_KEPT):
            before = os.fstat(source)
            if before.st_size <= WHOLE:
                data = os.pread(source, before.st_size + 1, 0)
                require_unchanged(path, source, before)
                digest = self.put(data)
            else:
                digest = hash_descriptor(source)
                require_unchanged(path, source, before)
                self._upload(path, digest, before)
        if move:
            self._copies.take(path)
            with explained(f"{shown(Path(path.name))} can't be removed", path, kept="its bytes are stored"):
                path.unlink(missing_ok=True)
        return digest

    def put_many(self, items: Iterable[Path | bytes], *, move: bool = False) -> list[str]:
        """Upload several at a time."""

        def put(item: Path | bytes) -> str:
            return self.put_file(item, move=move) if isinstance(item, Path) else self.put(item)

        digests: list[str] = []
        rest = iter(items)
        with ThreadPoolExecutor(TOGETHER) as pool:
            while some := list(islice(rest, 8 * TOGETHER)):
                digests += pool.map(put, some)
        return digests

    def get(self, digest: str) -> bytes:
        """Return checked bytes, from the cache when it has them."""
        return self._copies.get(digest)

    def open(self, digest: str) -> BinaryIO:
        """Return the cached copy, opened, or a stream that fetches ranges."""
        copy = self._copies.open(digest)
        if copy is not None:
            return copy
        name, look = name_of(digest), self._found(digest)
        return open_ranges(lambda start, end: self._objects.read(name, start, end), look.size)

    def path(self, digest: str, *, known: Stat | None = None) -> Path:
        """Return the cached copy, fetched when it is missing, and checked: `known` tells about the object only."""
        del known
        return self._copies.path(digest)

    def materialise(self, digest: str, target: Path, *, writable: bool = True, known: Stat | None = None) -> str:
        """Share the cached copy, or download to `target` without keeping a copy."""
        del known
        return self._copies.materialise(digest, target, writable=writable)

    def has(self, digest: str) -> bool:
        """True when the object exists."""
        return self._objects.look(name_of(digest)) is not None

    def size(self, digest: str) -> int:
        """Return the object's size."""
        return self._found(digest).size

    def stat(self, digest: str) -> Stat | None:
        """Return size and ETag of the object."""
        look = self._objects.look(name_of(digest))
        return None if look is None else Stat(size=look.size, tag=look.tag)

    def unchanged(self, digest: str, stat: Stat) -> bool:
        """True when size and ETag are the same."""
        return self.stat(digest) == stat

    def is_whole(self, digest: str) -> bool:
        """Fetch and hash the object; twice before it counts as damaged, for the connection may be."""
        for _ in range(2):
            sha = hashlib.sha256()
            for block in self._objects.blocks(name_of(digest), self._found(digest).size):
                sha.update(block)
            if sha.hexdigest() == digest:
                return True
        return False

    def names(self) -> Iterator[str]:
        """Yield the digest of every object, as the store lists them."""
        return (digest for name in self._objects.names() if name.count("/") == 1 and (digest := digest_of_name(name)))

    def age(self, digest: str) -> float:
        """Return the seconds since it was stored; 0.0 when the store does not tell."""
        young = self._objects.look(f"{_YOUNG}/{name_of(digest)}")
        return _age(self._found(digest) if young is None else young)

    def delete(self, digest: str) -> None:
        """Remove the object and its cached copy."""
        self._objects.remove(name_of(digest))
        self._objects.remove(f"{_YOUNG}/{name_of(digest)}")
        self._copies.forget(digest)

    def quarantine(self, digest: str) -> None:
        """Move the object to `quarantine/` and drop its cached copy."""
        self._copies.forget(digest)
        number = 1
        while self._objects.look(aside := f"{_ASIDE}/{digest}.{number}") is not None:
            number += 1
        with contextlib.suppress(FileNotFoundError):
            self._objects.rename(name_of(digest), aside)

    def quarantined(self) -> Iterator[str]:
        """Yield the digests of the objects in `quarantine/`."""
        return (name.rpartition("/")[2][:64] for name in self._objects.names(_ASIDE))

    def sweep(self, *, older_than: float) -> int:
        """Remove what was being written, here and there.

        Parts of an upload that was cut off are the object store's to remove: give the bucket a rule for them.
        """
        removed = self._copies.sweep(older_than)
        for name in list(self._objects.names(".new")):
            look = self._objects.look(name)
            if look is not None and _age(look) > older_than:
                self._objects.remove(name)
                removed += 1
        return removed

    def _keeps(self, digest: str, size: int) -> bool:
        """True when an object of that size is there. One that was stored long ago is marked as young again."""
        look = self._objects.look(name_of(digest))
        if look is None or look.size != size:
            return False
        if _age(look) > FRESHNESS:
            with contextlib.suppress(StoreError):  # a store that is read-only here
                self._objects.write(f"{_YOUNG}/{name_of(digest)}", b"")
        return True

    def _upload(self, path: Path, digest: str, before: os.stat_result) -> None:
        if self._keeps(digest, before.st_size):
            return
        self._objects.upload(name_of(digest), path, before.st_size)
        try:
            require_same(path, before)
        except DataError:
            self._objects.remove(name_of(digest))  # what was sent is not what was hashed
            raise

    def _found(self, digest: str) -> Look:
        look = self._objects.look(name_of(digest))
        if look is None:
            raise absent(digest, self._objects.address(name_of(digest)))
        return look


def open_remote(url: str, cache: Path, options: Mapping[str, Any]) -> RemoteBlobs:
    """Open the blobs at a URL.

    Raises:
        StoreError: fsspec does not know this kind of URL.
        MissingExtraError: it needs a package that is not installed.
    """
    try:
        filesystem, root = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        name = getattr(error.__cause__, "name", None) or error.name or url.partition("://")[0]
        raise missing(name, wanted_by=f"the blob store {url}") from error
    except ValueError as error:
        raise StoreError(
            what=f"the blob store {url} can't be opened",
            why=str(error),
            fix="give a folder, or a URL such as s3://bucket/folder, gs://..., az://... or sftp://...",
        ) from error
    return RemoteBlobs(filesystem, root, cache)


def _age(look: Look) -> float:
    return 0.0 if look.modified is None else max(0.0, time.time() - look.modified)
