"""Append-only framed files. One writer per file; a crash can only tear the last frame, and readers stop there.

Frame: length (u32, little endian, not 0), crc32 of the payload (u32), payload. Live files end in `.open` and are locked
by their writer, so anybody can see whether it still lives; finished ones end in `.sealed`. What stood behind the last
whole frame of a file is kept beside it in `.torn`.
"""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from detent.errors import Place, StoreError
from detent.store.atomic import sync_folder, unique_name, write_atomic

LOG = logging.getLogger(__name__)
OPEN, SEALED, TORN = ".open", ".sealed", ".torn"
HEAD_BYTES = 8
_HEAD = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Live:
    """A file that its writer has let go of: complete, but neither synced nor finished."""

    descriptor: int
    path: Path


def finish(live: Live) -> Path:
    """Sync the file, give it its final name and return that.

    Raises:
        StoreError: it could not be finished. It stays readable, and `adopt` finishes it later.
    """
    try:
        try:
            os.fsync(live.descriptor)
            return _seal(live.path)
        finally:
            os.close(live.descriptor)  # after the new name: nobody takes the file for one whose owner died
    except OSError as error:
        raise _full(live.path, error.strerror or str(error)) from error


class SegmentWriter:
    """Writes frames of one owner. Not safe for several threads; each process has its own owner name.

    Args:
        folder: made when it is missing.
        owner: what the files' names begin with.
        max_bytes: a file of this size is followed by another one.
        retire: what is done with a file that is complete. The default finishes it at once, which waits for the disk.
    """

    def __init__(
        self, folder: Path, owner: str, *, max_bytes: int = 16 << 20, retire: Callable[[Live], object] = finish
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._owner, self._max_bytes, self._retire = folder, owner, max_bytes, retire
        self._descriptor, self._size, self._path = -1, 0, folder
        for left in sorted(folder.glob(f"{owner}-*{OPEN}")):  # of an owner that was killed
            adopt(left)

    @property
    def descriptor(self) -> int:
        """Descriptor of the live file; -1 when there is none."""
        return self._descriptor

    def append(self, payloads: Sequence[bytes]) -> None:
        """Write all payloads with one system call: when it returns, they survive the death of this process.

        Raises:
            StoreError: the disk is full; none of the payloads counts as written.
        """
        frames = [_HEAD.pack(len(payload), zlib.crc32(payload)) + payload for payload in payloads]
        self._write(frames[0] if len(frames) == 1 else b"".join(frames))

    def turn(self) -> None:
        """Retire the live file, if there is one; the next row begins another."""
        live = self._take()
        if live is not None:
            self._retire(live)

    def seal(self) -> Path | None:
        """Finish the live file and return its path; None when there is none.

        Raises:
            StoreError: see `finish`; the next append begins another file.
        """
        live = self._take()
        return None if live is None else finish(live)

    def abandon(self) -> None:
        """Let go of the live file as a killed process does: it is neither synced nor finished. `adopt` does that."""
        live = self._take()
        if live is not None:
            os.close(live.descriptor)

    def _write(self, frames: bytes) -> None:
        if self._size >= self._max_bytes:
            self.turn()  # not after the write: what was written must not fail because of what comes next
        if self._descriptor < 0:
            self._open()
        try:
            written = os.write(self._descriptor, frames)
        except OSError as error:
            self._undo()
            raise _full(self._path, error.strerror or str(error)) from error
        if written != len(frames):
            self._undo()
            raise _full(self._path, "only a part could be written")
        self._size += written

    def _take(self) -> Live | None:
        if self._descriptor < 0:
            return None
        live = Live(self._descriptor, self._path)
        self._descriptor, self._size = -1, 0
        return live

    def _open(self) -> None:
        self._path = counter = self._folder / f"{self._owner}.next"
        try:
            taken = [int(path.stem.rpartition("-")[2]) for path in self._folder.glob(f"{self._owner}-*.*")]
            number = max([*taken, _read_number(counter)], default=0) + 1
            # The number is remembered outside, because sealed files are removed once they are in Parquet. It is not
            # synced: after a power cut a name may be used twice, and whoever moves rows must cope with that.
            draft = self._folder / unique_name()
            draft.write_bytes(str(number).encode())
            draft.replace(counter)
            self._path = self._folder / f"{self._owner}-{number:08d}{OPEN}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # who else holds it now sees an empty file and lets go
        except OSError as error:
            raise _full(self._path, error.strerror or str(error)) from error

    def _undo(self) -> None:
        os.ftruncate(self._descriptor, self._size)


def adopt(path: Path) -> Path | None:
    """Finish a live file whose writer is gone; None when it still lives, or when nothing was written.

    The file is cut behind its last whole frame. A crash at any moment is made good by the next call.

    Raises:
        StoreError: the torn bytes could not be kept.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its writer may have finished it just now; an empty one may be about to be locked by its writer.
        if not os.fstat(descriptor).st_size or not path.exists():
            return None
        end = keep_torn(path)
        if end is not None:
            os.ftruncate(descriptor, end)
        os.fsync(descriptor)
        return _seal(path)
    except BlockingIOError:
        return None
    finally:
        os.close(descriptor)


def keep_torn(path: Path) -> int | None:
    """Copy what stands behind the last whole frame into a `.torn` file and return where it begins; None: nothing does.

    Raises:
        StoreError: the disk is full.
    """
    data, end = path.read_bytes(), 0
    for _, end in _frames(memoryview(data), 0):  # noqa: B007  (the last one is wanted)
        pass
    if end == len(data):
        return None
    LOG.warning("action=cut segment=%s at=%d reason='what follows is no frame'", path, end)
    write_atomic(path.with_suffix(TORN), data[end:], mode=0o600)
    return end


def read_segment(path: Path, *, start: int = 0) -> Iterator[bytes]:
    """Yield the payloads from byte `start` on; stops at the first torn or corrupt frame."""
    for payload, _ in read_frames(path, start=start):
        yield payload


def read_frames(path: Path, *, start: int = 0) -> Iterator[tuple[bytes, int]]:
    """Yield (payload, offset after it); a reader that remembers the offset can go on from there later."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read()
    for payload, end in _frames(memoryview(data), 0):
        yield bytes(payload), start + end


def _frames(data: memoryview, at: int) -> Iterator[tuple[memoryview, int]]:
    while at + HEAD_BYTES <= len(data):
        length, crc = _HEAD.unpack_from(data, at)
        end = at + HEAD_BYTES + length
        if not length or end > len(data):  # zeros are what a power cut may leave, and their crc32 is 0
            return
        payload = data[at + HEAD_BYTES : end]
        if zlib.crc32(payload) != crc:
            return
        yield payload, end
        at = end


def _seal(path: Path) -> Path:
    sealed = path.with_suffix(SEALED)
    path.rename(sealed)
    sync_folder(path.parent)
    return sealed


def _read_number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return 0


def _full(path: Path, reason: str) -> StoreError:
    return StoreError(
        what="the log can't be written",
        why=f"the operating system says: {reason}",
        fix="free some disk space; what was not written was not answered either",
        where=Place(file=str(path)),
    )
