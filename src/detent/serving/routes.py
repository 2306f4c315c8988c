"""The route page: a small shared file that every worker reads on every request.

Layout (little endian): sequence number u64 | magic 16 bytes | two slots. A slot: its sequence number u64, length u32,
crc32 u32, JSON. Sequence number n lies in slot n mod 2, so storing the one aligned u64 commits a table: a reader sees
the table before or the table after, never a mix.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from detent.errors import Place, StoreError
from detent.records.route import Route
from detent.store.atomic import write_atomic

PAGE_BYTES = 64 << 10
_MAGIC = b"detent routes 1\0"
_SEQ = struct.Struct("<Q")
_SLOT = struct.Struct("<QII")
_FIRST_SLOT = 64
_SLOT_BYTES = (PAGE_BYTES - _FIRST_SLOT) // 2
_DECODER = msgspec.json.Decoder(tuple[Route, ...])
_TRIES = 3
_NO_NUMBERS = (0,)

Table = Mapping[str, Route]


class RoutePage:
    """The shared table of routes. Any number of processes read it; writers take turns by a file lock.

    One object must not be read from several threads at once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._page: mmap.mmap | None = None  # None: nobody has written yet, so there is no file
        self._numbers: Sequence[int] | memoryview = _NO_NUMBERS
        self._last: tuple[int, Table] = (0, MappingProxyType({}))
        self.torn = 0  # reads that found a damaged table and kept the one before
        self._map()

    def seq(self) -> int:
        """Return the newest sequence number, 0 before the first write; costs no system call after that."""
        if self._page is None:
            self._map()
        return self._numbers[0]

    def read(self) -> tuple[int, Table]:
        """Return the newest intact table and its sequence number (0 and no routes before the first write).

        A torn or corrupt slot leaves the table that this reader had; a reader that had none takes the other slot.
        """
        for _ in range(_TRIES):
            seq = self.seq()
            if seq == self._last[0]:
                return self._last
            table = self._slot(seq)
            if table is not None:
                self._last = (seq, table)
                return self._last
        self.torn += 1
        before = self._numbers[0] - 1
        if before > self._last[0]:
            table = self._slot(before)
            if table is not None:
                self._last = (before, table)
        return self._last

    def write(self, routes: Sequence[Route]) -> int:
        """Replace the whole table and return its sequence number; when it returns, every reader's next read sees it.

        Raises:
            StoreError: the table does not fit into the page, or the disk can't be written; the old table stays.
        """
        payload = msgspec.json.encode(list(routes))
        if len(payload) > _SLOT_BYTES - _SLOT.size:
            raise StoreError(
                what=f"the routes take {len(payload):,} bytes and the page holds {_SLOT_BYTES - _SLOT.size:,}",
                why="every worker reads all routes from one small shared page",
                fix="serve fewer endpoints from one state folder",
                where=Place(file=str(self._path)),
            )
        try:
            return self._commit(payload)
        except OSError as error:
            raise StoreError(
                what="the routes can't be written",
                why=f"the operating system says: {error.strerror or error}",
                fix="free some disk space or mend the folder's permissions; the old routes are still in force",
                where=Place(file=str(self._path)),
            ) from error

    def _commit(self, payload: bytes) -> int:
        if not self._path.exists():
            _create(self._path)
        descriptor = os.open(self._path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            seq = _SEQ.unpack(os.pread(descriptor, _SEQ.size, 0))[0] + 1
            head = _SLOT.pack(seq, len(payload), _crc(seq, payload))
            os.pwrite(descriptor, head + payload, _slot_offset(seq))
            os.fdatasync(descriptor)
            os.pwrite(descriptor, _SEQ.pack(seq), 0)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        return seq

    def _map(self) -> None:
        """Open the page if somebody has made it. A reader makes nothing: it may look at a full or read-only disk."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(
                what="the routes can't be read",
                why=f"the operating system says: {error.strerror or error}",
                fix="mend the permissions of the folder; nothing was changed",
                where=Place(file=str(self._path)),
            ) from error
        try:
            if os.fstat(descriptor).st_size != PAGE_BYTES or os.pread(descriptor, 16, 8) != _MAGIC:
                raise _strange(self._path)
            page = mmap.mmap(descriptor, PAGE_BYTES, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        self._page, self._numbers = page, memoryview(page).cast("Q")

    def _slot(self, seq: int) -> Table | None:
        if self._page is None:
            return None
        at = _slot_offset(seq)
        held, length, crc = _SLOT.unpack_from(self._page, at)
        if held != seq or length > _SLOT_BYTES - _SLOT.size:
            return None
        payload = self._page[at + _SLOT.size : at + _SLOT.size + length]
        if _crc(seq, payload) != crc:
            return None
        try:
            routes = _DECODER.decode(payload)
        except msgspec.DecodeError:
            return None
        return MappingProxyType({route.endpoint: route for route in routes})


def _create(path: Path) -> None:
    """Make an empty page; of several processes that try at once, the first one wins."""
    blank = path.with_name(f".{path.name}.{os.getpid()}")
    write_atomic(blank, _SEQ.pack(0) + _MAGIC + bytes(PAGE_BYTES - 24))
    try:
        os.link(blank, path)
    except FileExistsError:
        pass
    finally:
        blank.unlink(missing_ok=True)


def _slot_offset(seq: int) -> int:
    return _FIRST_SLOT + (seq % 2) * _SLOT_BYTES


def _crc(seq: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_SEQ.pack(seq)))


def _strange(path: Path) -> StoreError:
    return StoreError(
        what="this is not a page of routes",
        why="its size or its first bytes are not those that detent writes",
        fix="move the file away; the routes are written anew from the registry at the next deployment",
        where=Place(file=str(path)),
    )
