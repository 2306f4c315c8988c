"""Append-only framed files. One writer per file; a crash can only tear the last frame, and readers stop there.

Frame: length (u32, little endian), crc32 of the payload (u32), payload. Live files end in `.open`, finished ones in
`.sealed`.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from detent.errors import Place, StoreError
from detent.store.atomic import sync_folder, write_atomic

_HEAD = struct.Struct("<II")
_SAYS = "the operating system says: "


class SegmentWriter:
    """Writes frames of one owner. Not safe for several threads; each process has its own owner name."""

    def __init__(self, folder: Path, owner: str, *, max_bytes: int = 16 << 20) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._owner, self._max_bytes = folder, owner, max_bytes
        self._descriptor, self._size, self._path = -1, 0, folder
        for left in sorted(folder.glob(f"{owner}-*.open")):  # of an owner that was killed
            _seal(left)

    def append(self, payloads: Sequence[bytes]) -> None:
        """Write all payloads with one system call: when it returns, they survive the death of this process.

        Raises:
            StoreError: the disk is full; none of the payloads counts as written.
        """
        frames = b"".join(_HEAD.pack(len(payload), zlib.crc32(payload)) + payload for payload in payloads)
        if self._size >= self._max_bytes:
            self.seal()  # not after the write: what was written must not fail because of what comes next
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

    def seal(self) -> Path | None:
        """Finish the live file (synced and renamed) and return its path; None when there is none.

        Raises:
            StoreError: the file could not be finished. It stays readable, the next append begins another one, and the
                owner's next start finishes it.
        """
        if self._descriptor < 0:
            return None
        descriptor, self._descriptor, self._size = self._descriptor, -1, 0
        try:
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            return _seal(self._path)
        except OSError as error:
            raise _full(self._path, error.strerror or str(error)) from error

    def _open(self) -> None:
        self._path = counter = self._folder / f"{self._owner}.next"
        try:
            taken = [int(path.stem.rpartition("-")[2]) for path in self._folder.glob(f"{self._owner}-*.*")]
            number = max([*taken, _read_number(counter)], default=0) + 1
            # The number is remembered outside, because sealed files are removed once they are in Parquet and a
            # name that is used twice would look like rows that were already taken over.
            write_atomic(counter, str(number).encode())
            self._path = self._folder / f"{self._owner}-{number:08d}.open"
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except StoreError as error:
            raise _full(self._path, error.why.removeprefix(_SAYS)) from error
        except OSError as error:
            raise _full(self._path, error.strerror or str(error)) from error

    def _undo(self) -> None:
        os.ftruncate(self._descriptor, self._size)


def read_segment(path: Path, *, start: int = 0) -> Iterator[bytes]:
    """Yield the payloads from byte `start` on; stops at the first torn or corrupt frame."""
    for payload, _ in read_frames(path, start=start):
        yield payload


def read_frames(path: Path, *, start: int = 0) -> Iterator[tuple[bytes, int]]:
    """Yield (payload, offset after it); a reader that remembers the offset can go on from there later."""
    data = memoryview(path.read_bytes())
    at = start
    while at + _HEAD.size <= len(data):
        length, crc = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + length
        if end > len(data):
            return
        payload = bytes(data[at + _HEAD.size : end])
        if zlib.crc32(payload) != crc:
            return
        yield payload, end
        at = end


def _seal(path: Path) -> Path:
    sealed = path.with_suffix(".sealed")
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
        why=_SAYS + reason,
        fix="free some disk space; what was not written was not answered either",
        where=Place(file=str(path)),
    )
