"""Objects on any fsspec filesystem, reached in spite of faults: every call is repeated, every write is looked at again.

Nothing here relies on a conditional write or on a listing's cache: stores exist that ignore the one (fsspec's own S3
client did for small files until 2025) and keep the other too long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec.spec import AbstractFileSystem

from detent.errors import Place, StoreError
from detent.store.atomic import unique_name
from detent.store.blobs.patience import MisplacedError, Patience
from detent.store.blobs.stream import RANGE

# Stores that show an object when all of it has arrived. Elsewhere it is written under another name and renamed.
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci"})
AHEAD = 4  # ranges that are fetched at the same time
_WRITE, _READ = "a blob can't be written to the store", "a blob can't be read from the store"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """An object from outside."""

    size: int  # bytes
    tag: str  # ETag or time of the last change: differs when the object was written again
    modified: float | None  # seconds of the epoch


class Objects:
    """Objects below a root. FileNotFoundError is an answer, every other fault ends as a StoreError."""

    def __init__(self, filesystem: AbstractFileSystem, root: str, patience: Patience) -> None:
        self._filesystem, self._root, self._patience = filesystem, root.rstrip("/"), patience
        protocols = filesystem.protocol
        self._whole = not _WHOLE.isdisjoint([protocols] if isinstance(protocols, str) else protocols)

    def address(self, name: str) -> str:
        """Return the URL of an object."""
        return self._filesystem.unstrip_protocol(self._path(name))

    def look(self, name: str, *, may_appear: bool = False) -> Look | None:
        """Return what an object looks like; None when the store shows none, which is asked again if it `may_appear`."""
        try:
            return self._call(lambda: self._look(name), _READ, name, may_appear=may_appear)
        except FileNotFoundError:
            return None

    def read(self, name: str, start: int | None = None, end: int | None = None) -> bytes:
        """Return an object's bytes, or those from `start` to before `end`: then exactly as many.

        Raises:
            FileNotFoundError: it is not there, and did not appear for a while.
        """

        def fetch() -> bytes:
            data = self._filesystem.cat_file(self._path(name), start=start, end=end)
            data = data.encode() if isinstance(data, str) else data
            if start is not None and end is not None and len(data) != end - start:
                raise MisplacedError(f"{len(data):,} bytes came instead of {end - start:,}")
            return data

        return self._call(fetch, _READ, name, may_appear=True)

    def blocks(self, name: str, size: int) -> Generator[bytes, None, None]:
        """Yield the bytes of an object of that size, fetching a few ranges ahead; FileNotFoundError like `read`."""
        spans = ((start, min(start + RANGE, size)) for start in range(0, size, RANGE))
        ahead: deque[Future[bytes]] = deque()
        with ThreadPoolExecutor(AHEAD) as pool:
            try:
                for start, end in spans:
                    ahead.append(pool.submit(self.read, name, start, end))
                    if len(ahead) == AHEAD:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def write(self, name: str, data: bytes) -> None:
        """Store bytes, all or nothing."""
        self._send(name, len(data), lambda path: self._filesystem.pipe_file(path, data))

    def upload(self, name: str, source: Path, size: int) -> None:
        """Store a local file, streamed, all or nothing."""
        self._send(name, size, lambda path: self._filesystem.put_file(str(source), path))

    def rename(self, old: str, new: str) -> None:
        """Give an object another name; FileNotFoundError when there is none."""
        self._make_folder(new)
        self._call(lambda: self._filesystem.mv(self._path(old), self._path(new)), _WRITE, old)

    def remove(self, name: str) -> None:
        """Remove an object; nothing happens when it is not there."""
        with suppress(FileNotFoundError):
            self._call(lambda: self._filesystem.rm_file(self._path(name)), "a blob can't be removed", name)

    def names(self, below: str = "") -> Iterator[str]:
        """Yield the names of all objects, below a folder or anywhere."""

        def find() -> list[str]:
            self._filesystem.invalidate_cache()
            return list(self._filesystem.find(self._path(below)))

        root = self._root.strip("/") + "/"
        with suppress(FileNotFoundError):
            for path in self._call(find, "the blobs can't be listed", below):
                if path.strip("/").startswith(root):
                    yield path.strip("/").removeprefix(root)

    def _send(self, name: str, size: int, send: Callable[[str], Any]) -> None:
        """Write, look, and write again if the store does not show all of it; at last leave nothing of it."""
        sent = name if self._whole else f".new/{unique_name()}"
        self._make_folder(sent)
        fault = self._fault(sent, size, send) and self._fault(sent, size, send)  # a second time, when the first failed
        if fault is not None:
            with suppress(StoreError):
                self.remove(sent)
            raise fault
        if sent != name:
            with suppress(FileNotFoundError):  # an attempt that seemed to fail did it all the same
                self.rename(sent, name)
            fault = self._shown(name, size)
            if fault is not None:
                raise fault

    def _fault(self, name: str, size: int, send: Callable[[str], Any]) -> StoreError | None:
        """Write an object and return what is wrong with it then."""
        try:
            self._call(lambda: send(self._path(name)), _WRITE, name)
        except FileNotFoundError as error:
            raise _homeless(self.address(name), error) from error
        return self._shown(name, size)

    def _shown(self, name: str, size: int) -> StoreError | None:
        """Return what is wrong with what the store shows of a written object; None when all of it is there."""
        try:
            self._call(lambda: self._confirm(name, size), _WRITE, name, may_appear=True)
        except FileNotFoundError:
            return _lost(self.address(name), size)
        except StoreError as error:
            if not isinstance(error.__cause__, MisplacedError):
                raise
            return error
        return None

    def _confirm(self, name: str, size: int) -> None:
        found = self._look(name).size
        if found != size:
            raise MisplacedError(f"it took {size:,} bytes and shows an object of {found:,}")

    def _look(self, name: str) -> Look:
        path = self._path(name)
        self._filesystem.invalidate_cache(path)
        info = self._filesystem.info(path)
        if info.get("type") == "directory":
            raise FileNotFoundError(path)
        changed = next((info[key] for key in _CHANGED if info.get(key)), None)
        tag = next((info[key] for key in _TAGS if info.get(key)), changed)
        return Look(size=int(info["size"] or 0), tag=str(tag or ""), modified=_seconds(changed))

    def _make_folder(self, name: str) -> None:
        if not self._whole:  # elsewhere folders are part of names, and asking for one would make a bucket
            folder = self._path(name).rpartition("/")[0]
            self._call(lambda: self._filesystem.makedirs(folder, exist_ok=True), _WRITE, name)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _call(self, action: Callable[[], Any], what: str, name: str, *, may_appear: bool = False) -> Any:
        return self._patience.call(action, what=what, where=self.address(name), may_appear=may_appear)


_TAGS = ("ETag", "etag", "md5Hash", "content_md5")
_CHANGED = ("LastModified", "last_modified", "updated", "mtime", "created")


def _seconds(moment: object) -> float | None:
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return None
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return float(moment) if isinstance(moment, int | float) else None


def _lost(where: str, size: int) -> StoreError:
    return StoreError(
        what="the store lost a blob that it was given",
        why=f"it took {size:,} bytes without an error and shows no object",
        fix="check the store, or use another one; what was stored before is as it was",
        where=Place(file=where),
    )


def _homeless(where: str, error: FileNotFoundError) -> StoreError:
    return StoreError(
        what=_WRITE,
        why=f"there is nothing to write to: {error}",
        fix="make the bucket or folder, or correct its name in the address",
        where=Place(file=where),
    )
