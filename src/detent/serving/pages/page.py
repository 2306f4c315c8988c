"""A small file that every worker reads on every request: routes, API keys.

Layout (little endian): sequence number u64 | magic 16 bytes | two slots. A slot: its sequence number u64, length u32,
crc32 u32, payload. Sequence number n lies in slot n mod 2, so storing the one aligned u64 commits a payload: a reader
sees the one before or the one after, never a mix.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from detent.errors import Place, StoreError
from detent.store.atomic import write_atomic

T = TypeVar("T")

FIRST_SLOT = 64
_SEQ = struct.Struct("<Q")
_SLOT = struct.Struct("<QII")
_TRIES = 3
_NO_NUMBERS = (0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """What a page holds."""

    noun: str  # "the routes": for errors
    magic: bytes  # 16 bytes
    size: int  # of the file, bytes; a payload takes less than half of it
    empty: T  # before the first write
    decode: Callable[[bytes], T]  # raises ValueError for a payload that nobody wrote
    too_many: str  # what to do when it does not fit
    lost: str  # what to do when the file is something else
    mode: int = 0o644


class Page(Generic[T]):
    """The shared value. Any number of processes read it; writers take turns by a file lock.

    One object must not be read from several threads at once.
    """

    def __init__(self, path: Path, kind: Kind[T]) -> None:
        self._path, self._kind = path, kind
        self._page: mmap.mmap | None = None  # None: nobody has written yet, so there is no file
        self._numbers: Sequence[int] | memoryview = _NO_NUMBERS
        self._last: tuple[int, T] = (0, kind.empty)
        self.torn = 0  # reads that found a damaged payload and kept the one before
        self._map()

    def make(self) -> None:
        """Make the file when there is none; from then on `seq` costs no system call.

        Raises:
            StoreError: it can't be made.
        """
        if self._page is None:
            _create(self._path, self._kind)
            self._map()

    @property
    def numbers(self) -> Sequence[int] | memoryview:
        """What the file begins with, as it is now: the first number is `seq`. Ask after `make`, and keep it."""
        return self._numbers

    def seq(self) -> int:
        """Return the newest sequence number, 0 before the first write; costs no system call once there is a file."""
        if self._page is None:
            self._map()
        return self._numbers[0]

    def read(self) -> tuple[int, T]:
        """Return the newest intact value and its sequence number (0 and the empty one before the first write).

        A torn or corrupt slot leaves the value that this reader had; a reader that had none takes the other slot.
        """
        for _ in range(_TRIES):
            seq = self.seq()
            if seq == self._last[0] or self._take(seq):
                return self._last
        self.torn += 1
        before = self._numbers[0] - 1
        if before > self._last[0]:
            self._take(before)
        return self._last

    def put(self, make: Callable[[], bytes]) -> int:
        """Replace the payload by what `make` returns and return its sequence number; every reader's next read sees it.

        `make` is called while no other writer can write: what it reads is not older than what is there.

        Raises:
            StoreError: it does not fit into the page, or the disk can't be written; the old one stays.
        """
        try:
            return self._commit(make)
        except OSError as error:
            raise StoreError(
                what=f"{self._kind.noun} can't be written",
                why=f"the operating system says: {error.strerror or error}",
                fix="free some disk space or mend the folder's permissions; what was there is still in force",
                where=Place(file=str(self._path)),
            ) from error

    def _commit(self, make: Callable[[], bytes]) -> int:
        if not self._path.exists():
            _create(self._path, self._kind)
        descriptor = os.open(self._path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            payload = make()
            self._fits(payload)
            seq = _SEQ.unpack(os.pread(descriptor, _SEQ.size, 0))[0] + 1
            head = _SLOT.pack(seq, len(payload), _crc(seq, payload))
            os.pwrite(descriptor, head + payload, self._offset(seq))
            os.fdatasync(descriptor)
            os.pwrite(descriptor, _SEQ.pack(seq), 0)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        return seq

    def _fits(self, payload: bytes) -> None:
        room = self._slot_bytes - _SLOT.size
        if len(payload) > room:
            raise StoreError(
                what=f"{self._kind.noun} take {len(payload):,} bytes and the page holds {room:,}",
                why="every worker reads all of them from one small shared page",
                fix=self._kind.too_many,
                where=Place(file=str(self._path)),
            )

    def _map(self) -> None:
        """Open the page if somebody has made it. A reader makes nothing: it may look at a full or read-only disk."""
        kind = self._kind
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(
                what=f"{kind.noun} can't be read",
                why=f"the operating system says: {error.strerror or error}",
                fix="mend the permissions of the folder; nothing was changed",
                where=Place(file=str(self._path)),
            ) from error
        try:
            if os.fstat(descriptor).st_size != kind.size or os.pread(descriptor, 16, 8) != kind.magic:
                raise self._strange()
            page = mmap.mmap(descriptor, kind.size, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        self._page, self._numbers = page, memoryview(page).cast("Q")

    def _take(self, seq: int) -> bool:
        """Read the value with this number; False when its slot does not hold it whole."""
        if self._page is None:
            return False
        at = self._offset(seq)
        held, length, crc = _SLOT.unpack_from(self._page, at)
        if held != seq or length > self._slot_bytes - _SLOT.size:
            return False
        payload = self._page[at + _SLOT.size : at + _SLOT.size + length]
        if _crc(seq, payload) != crc:
            return False
        try:
            self._last = (seq, self._kind.decode(payload))
        except ValueError:
            return False
        return True

    @property
    def _slot_bytes(self) -> int:
        return (self._kind.size - FIRST_SLOT) // 2

    def _offset(self, seq: int) -> int:
        return FIRST_SLOT + (seq % 2) * self._slot_bytes

    def _strange(self) -> StoreError:
        return StoreError(
            what=f"this is not a page of {self._kind.noun.removeprefix('the ')}",
            why="its size or its first bytes are not those that detent writes",
            fix=self._kind.lost,
            where=Place(file=str(self._path)),
        )


def _create(path: Path, kind: Kind[T]) -> None:
    """Make an empty page; of several processes that try at once, the first one wins."""
    blank = path.with_name(f".{path.name}.{os.getpid()}")
    write_atomic(blank, _SEQ.pack(0) + kind.magic + bytes(kind.size - 24), mode=kind.mode)
    try:
        os.link(blank, path)
    except FileExistsError:
        pass
    finally:
        blank.unlink(missing_ok=True)


def _crc(seq: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_SEQ.pack(seq)))
