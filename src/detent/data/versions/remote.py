"""Objects behind a URL as a source: any filesystem that fsspec knows."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec
from fsspec.spec import AbstractFileSystem

from detent.data.versions.entries import File, is_name
from detent.data.versions.source import SHOWN, Found, Survey, being_written, refused, unreadable
from detent.data.versions.tree import Path as Names
from detent.errors import DataError, DetentError, MissingExtraError, Place
from detent.store.blobs import Blobs

WHOLE = 8 << 20  # bytes of an object that is fetched in one piece
CHUNK = 8 << 20
READINGS = 3
# What tells one content of an object from another; filesystems name it differently. Times are coarse: they come last.
_CONTENT_MARKS = ("ETag", "etag", "content_hash", "md5Hash", "generation")
_TIME_MARKS = ("mtime", "LastModified", "last_modified", "updated", "created")


class RemoteSource:
    """An object or a prefix. Its listing is held in memory; objects are fetched one per thread, in pieces."""

    def __init__(self, url: str, blobs: Blobs, *, scratch: Path) -> None:
        """Open a URL; objects larger than WHOLE pass through files in `scratch`."""
        self._url, self._blobs, self._scratch = url, blobs, scratch
        filesystem, root = open_url(url)
        self._filesystem, self._root = filesystem, root.rstrip("/")
        self._found: list[Found] = []
        self._problems: list[tuple[str, str]] = []
        try:
            filesystem.invalidate_cache()
            info = filesystem.info(self._root)
            self._single = info["type"] == "file"
            self._list(info)
        except FileNotFoundError as error:
            raise _nothing(url) from error
        except (OSError, ValueError, ImportError) as error:
            raise unreadable(url, error) from error
        if not self._found and not self._problems:
            raise _nothing(url)

    @property
    def place(self) -> str:
        """The URL."""
        return self._url

    @property
    def batch(self) -> int:
        """Few: each object is a request, and more threads make more requests at once."""
        return 8

    @property
    def single(self) -> bool:
        """True for one object."""
        return self._single

    def survey(self) -> Survey:
        """Count objects and bytes.

        Raises:
            DataError: a key can't be a path in a folder.
        """
        if self._problems:
            raise refused(self._url, self._problems[:SHOWN], max(0, len(self._problems) - SHOWN))
        files = [found for found in self._found if not found.folder]
        return Survey(files=len(files), bytes=sum(found.size for found in files))

    def scan(self) -> Iterator[Found]:
        """Yield objects, and a folder before the first object in it."""
        return iter(self._found)

    def keep(self, batch: Sequence[Found]) -> list[tuple[File, Found]]:
        """Fetch and store objects; one that was replaced meanwhile is fetched again, a few times."""
        return [self._keep(found) for found in batch]

    def _keep(self, found: Found) -> tuple[File, Found]:
        key = self._root if self._single else f"{self._root}/{'/'.join(found.path)}"
        try:
            for _ in range(READINGS):
                digest, size = self._fetch(key, found.size)
                after = _object(found.path, self._filesystem.info(key))
                if after.token == found.token and size == after.size:
                    return File(name=found.path[-1], size=size, digest=digest), found
                found = after
                self._filesystem.invalidate_cache()
        except DetentError:
            raise
        except Exception as error:  # every filesystem has exceptions of its own
            raise unreadable(f"{self._url}: {'/'.join(found.path)}", error) from error
        raise being_written(f"{self._url}: {'/'.join(found.path)}")

    def _fetch(self, key: str, size: int) -> tuple[str, int]:
        if size <= WHOLE:
            data = self._filesystem.cat_file(key)
            data = data.encode() if isinstance(data, str) else data
            return self._blobs.put(data), len(data)
        self._scratch.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._scratch, prefix=".fetch.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as target, self._filesystem.open(key, "rb") as source:
                while piece := source.read(CHUNK):
                    target.write(piece)  # pyright: ignore[reportArgumentType]  (opened for bytes)
            size = temporary.stat().st_size
            return self._blobs.put_file(temporary, move=True), size
        finally:
            temporary.unlink(missing_ok=True)

    def _list(self, info: dict[str, Any]) -> None:
        if self._single:
            self._found = [_object((self._root.rpartition("/")[2],), info)]
            return
        listed = self._filesystem.find(self._root, detail=True)
        assert isinstance(listed, dict)
        objects = []
        for key, item in listed.items():
            path = tuple(key[len(self._root) :].lstrip("/").split("/"))
            if key.endswith("/") and not item.get("size"):
                continue  # a marker that consoles write for an empty folder
            bad = [name for name in path if not is_name(name)]
            if bad:
                self._problems.append((key, f"has `{bad[0]}` in its key, which is no file name"))
            objects.append(_object(path, item))
        objects.sort(key=lambda found: found.path)
        self._found = list(_with_folders(objects))
        for one, following in zip(self._found, self._found[1:], strict=False):
            if not one.folder and following.path[: len(one.path)] == one.path:
                self._problems.append(("/".join(one.path), "is an object and a folder at once"))


def open_url(url: str, options: Mapping[str, Any] | None = None) -> tuple[AbstractFileSystem, str]:
    """Return the filesystem of a URL and the path in it; `options` are those of its fsspec class.

    Raises:
        MissingExtraError: its kind needs a package that is not installed.
        DataError: nobody knows its kind.
    """
    try:
        return fsspec.core.url_to_fs(url, **(options or {}))
    except ImportError as error:
        raise MissingExtraError(
            what=f"{url} needs a package that is not installed",
            why=str(error).splitlines()[0],
            fix="install the fsspec package for this kind of URL, for example `pip install s3fs` for s3://",
            where=Place(file=url),
        ) from error
    except ValueError as error:
        raise DataError(
            what=f"{url} can't be opened",
            why=str(error).splitlines()[0],
            fix="give a path, or a URL such as s3://bucket/folder",
            where=Place(file=url),
        ) from error


def _with_folders(objects: list[Found]) -> Iterator[Found]:
    above: Names = ()
    for found in objects:
        folder = found.path[:-1]
        shared = 0
        while shared < min(len(above), len(folder)) and above[shared] == folder[shared]:
            shared += 1
        for depth in range(shared, len(folder)):
            yield Found(path=folder[: depth + 1], folder=True)
        above = folder
        yield found


def _object(path: Names, info: Mapping[str, Any]) -> Found:
    size = int(info.get("size") or 0)
    mark = next((name for name in (*_CONTENT_MARKS, *_TIME_MARKS) if info.get(name)), "")
    value = info.get(mark)
    seconds = value.timestamp() if isinstance(value, datetime) else value  # listings and single looks may differ
    changed = 0.0
    if mark in _TIME_MARKS:
        changed = float(seconds) if isinstance(seconds, int | float) else time.time()
    return Found(path=path, size=size, token=f"{size}:{seconds}" if mark else "", changed=changed)


def _nothing(url: str) -> DataError:
    return DataError(
        what=f"there is nothing at {url}",
        why="no object has this name or begins with it",
        fix="correct the URL, or put the data there first",
        where=Place(file=url),
    )
