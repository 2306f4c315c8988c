"""Bytes by digest over any fsspec filesystem. The same bytes are stored once, and every read is checked."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Protocol

import fsspec
from fsspec.spec import AbstractFileSystem

from detent.errors import Place, StoreError, TamperedError
from detent.store.atomic import sync_folder
from detent.store.canonical import digest as digest_bytes


class Blobs(Protocol):
    """A content-addressed store. Safe for several processes: a blob never changes once it is there."""

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest; storing them again costs a look."""
        ...

    def put_file(self, path: Path) -> str:
        """Store a file's bytes and return their digest."""
        ...

    def get(self, digest: str) -> bytes:
        """Return the bytes; TamperedError when they don't give the digest, StoreError when they are missing."""
        ...

    def path(self, digest: str) -> Path:
        """Return a local file with the bytes, checked. Treat it as read-only."""
        ...

    def has(self, digest: str) -> bool:
        """True when a blob of that name exists (its bytes are not checked)."""
        ...

    def delete(self, digest: str) -> None:
        """Remove a blob; nothing happens when it is not there."""
        ...


class FolderBlobs:
    """Blobs in a local folder: `ab/cdef...`. Written to a temporary name, synced and renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        """Store bytes; the rename is the commit point, so a crash leaves the whole blob or none."""
        name = digest_bytes(data)
        target = self._target(name)
        if target.exists() and target.stat().st_size == len(data):
            return name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".new.")
        except OSError as error:
            raise _unwritable(target, error) from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o444)
            Path(temporary).replace(target)
            sync_folder(target.parent)
        except OSError as error:
            Path(temporary).unlink(missing_ok=True)
            raise _unwritable(target, error) from error
        return name

    def put_file(self, path: Path) -> str:
        """Store a file's bytes."""
        return self.put(path.read_bytes())

    def get(self, digest: str) -> bytes:
        """Return checked bytes."""
        target = self._target(digest)
        try:
            data = target.read_bytes()
        except FileNotFoundError as error:
            raise _absent(digest, str(target)) from error
        return _checked(data, digest, str(target))

    def path(self, digest: str) -> Path:
        """Return the blob's own file after checking its bytes."""
        self.get(digest)
        return self._target(digest)

    def has(self, digest: str) -> bool:
        """True when the file exists."""
        return self._target(digest).exists()

    def delete(self, digest: str) -> None:
        """Remove the file."""
        self._target(digest).unlink(missing_ok=True)

    def _target(self, digest: str) -> Path:
        return self._folder / _name(digest)


class RemoteBlobs:
    """Blobs on any fsspec filesystem (S3, GCS, memory), with checked copies in a local cache folder."""

    def __init__(self, filesystem: AbstractFileSystem, root: str, cache: Path) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._cache = FolderBlobs(cache)

    def put(self, data: bytes) -> str:
        """Upload bytes unless an object of the same size is there. Object stores show whole objects only."""
        name = digest_bytes(data)
        target = self._target(name)
        if not (self._filesystem.exists(target) and self._filesystem.size(target) == len(data)):
            self._filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._filesystem.pipe_file(target, data)
        return name

    def put_file(self, path: Path) -> str:
        """Upload a file's bytes."""
        return self.put(path.read_bytes())

    def get(self, digest: str) -> bytes:
        """Return checked bytes, from the cache when it has them."""
        if self._cache.has(digest):
            try:
                return self._cache.get(digest)
            except TamperedError:
                self._cache.delete(digest)
        target = self._target(digest)
        try:
            data = _bytes(self._filesystem.cat_file(target))
        except FileNotFoundError as error:
            raise _absent(digest, target) from error
        self._cache.put(_checked(data, digest, target))
        return data

    def path(self, digest: str) -> Path:
        """Return the cached copy, fetched and checked."""
        self.get(digest)
        return self._cache.path(digest)

    def has(self, digest: str) -> bool:
        """True when the object exists."""
        return bool(self._filesystem.exists(self._target(digest)))

    def delete(self, digest: str) -> None:
        """Remove the object and its cached copy."""
        self._cache.delete(digest)
        if self.has(digest):
            self._filesystem.rm_file(self._target(digest))

    def _target(self, digest: str) -> str:
        return f"{self._root}/{_name(digest)}"


def open_blobs(url: str, *, cache: Path | None = None) -> Blobs:
    """Open a blob store: a local folder, or any URL that fsspec knows (then `cache` is needed).

    Raises:
        StoreError: a remote URL without a cache folder.
    """
    if "://" not in url:
        return FolderBlobs(Path(url))
    if cache is None:
        raise StoreError(
            what=f"the blob store {url} needs a local cache folder",
            why="bundles and data parts are read from checked local copies",
            fix="give a cache folder",
        )
    filesystem, root = fsspec.core.url_to_fs(url)
    return RemoteBlobs(filesystem, root, cache)


def _bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _name(digest: str) -> str:
    if len(digest) != 64 or not all(letter in "0123456789abcdef" for letter in digest):
        raise StoreError(
            what=f"`{digest[:80]}` is no digest",
            why="blobs are named by 64 hexadecimal digits, so that no name can leave the store's folder",
            fix="give the digest as it was printed",
        )
    return f"{digest[:2]}/{digest[2:]}"


def _checked(data: bytes, digest: str, place: str) -> bytes:
    if digest_bytes(data) != digest:
        raise TamperedError(
            what=f"blob {digest[:12]} is damaged",
            why="its bytes no longer give its digest: the disk failed or somebody edited the file",
            fix="delete the file and run the step that made it again, or restore it from a backup",
            where=Place(file=place),
        )
    return data


def _absent(digest: str, place: str) -> StoreError:
    return StoreError(
        what=f"blob {digest[:12]} is missing",
        why="the store has no file of that name",
        fix="run the step that made it again, or restore it from a backup",
        where=Place(file=place),
    )


def _unwritable(target: Path, error: OSError) -> StoreError:
    return StoreError(
        what="a blob can't be written",
        why=f"the operating system says: {error.strerror or error}",
        fix="free some disk space or mend the folder's permissions; nothing was stored",
        where=Place(file=str(target.parent)),
    )
