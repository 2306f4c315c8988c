"""Read a source and store it as a tree; what did not change is not read again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from detent.data.versions.entries import File, Folder, Link
from detent.data.versions.memo import Cursor, Memo
from detent.data.versions.parallel import Advance, in_order
from detent.data.versions.source import Found, Source
from detent.data.versions.tree import TreeWriter, listing
from detent.store.blobs import Blobs

CHUNK_BYTES = 16 << 20  # unread bytes after which a thread's task ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A source as a tree, all of it stored."""

    root: Folder | File
    read_files: int  # files whose bytes were read; the others were known
    read_bytes: int


@dataclass(slots=True)
class _Item:
    found: Found
    entry: File | None = None  # None: no file, or its bytes are still to be read
    read_at: float = 0.0  # seconds of the epoch; 0.0: it was known

    @property
    def unread(self) -> bool:
        return self.entry is None and not self.found.folder and self.found.target is None


def read_source(
    source: Source,
    blobs: Blobs,
    *,
    memos: Path,
    head: Folder | File | None,
    advance: Advance,
    rehash: bool,
    settle_seconds: float,
) -> Read:
    """Store every file of a source and return its tree.

    A file is read unless the memo of the source in folder `memos` knows it by its token and `head`, the dataset's
    newest version, holds those bytes at the same path: then they are in the store, whatever a collection is doing.
    `rehash` reads every file.

    Raises:
        DataError: a file can't be read, or is edited while it is read. Nothing refers to what was stored so far.
        StoreError: the store can't be written.
    """
    memo, writer = Memo(memos, source.place), TreeWriter(blobs)
    root: Folder | File | None = None
    files = size = 0
    known = _Known(memo, None if rehash else head, blobs)
    try:
        with closing(in_order(partial(_read, source), _tasks(source, known))) as chunks:
            for item in chain.from_iterable(chunks):
                found, entry = item.found, item.entry
                if entry is None:
                    target = found.target
                    writer.add(found.path, None if target is None else Link(name=found.path[-1], target=target))
                    continue
                if item.read_at:
                    files, size = files + 1, size + entry.size
                if found.token and not (item.read_at and found.changed > item.read_at - settle_seconds):
                    memo.remember(found.path, found.token, entry.digest)
                if source.single:
                    root = entry
                else:
                    writer.add(found.path, entry)
                advance(1, entry.size)
        memo.keep()
    finally:
        memo.close()
    return Read(root=root or writer.finish(), read_files=files, read_bytes=size)


class _Known:
    """Entries of files that need no reading."""

    def __init__(self, memo: Memo, head: Folder | File | None, blobs: Blobs) -> None:
        self._memo = None if head is None else Cursor(memo.lines())
        self._head = None if head is None else Cursor(listing(head, blobs))

    def entry(self, found: Found) -> File | None:
        """Return the entry of a file that looks as it did; each call's path must follow the one before."""
        if self._memo is None or self._head is None:
            return None
        line, held = self._memo.at(found.path), self._head.at(found.path)
        if line is None or not isinstance(held, File) or line != (found.token, held.digest):
            return None
        return File(name=found.path[-1], size=held.size, digest=held.digest, executable=found.executable)


def _tasks(source: Source, known: _Known) -> Iterator[tuple[list[_Item], list[_Item] | None]]:
    """Yield what the source holds, in pieces; a piece that is known already is its own result."""
    chunk: list[_Item] = []
    size = 0
    for found in source.scan():
        item = _Item(found)
        if item.unread:
            item.entry = known.entry(found)
        chunk.append(item)
        size += found.size if item.unread else 0
        if len(chunk) >= source.batch or size >= CHUNK_BYTES:
            yield chunk, None if any(item.unread for item in chunk) else chunk
            chunk, size = [], 0
    yield chunk, None


def _read(source: Source, chunk: list[_Item]) -> list[_Item]:
    unread = [item for item in chunk if item.unread]
    now = time.time()
    for item, (entry, found) in zip(unread, source.keep([item.found for item in unread]), strict=True):
        item.entry, item.found, item.read_at = entry, found, now
    return chunk
