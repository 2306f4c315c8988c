"""A remote object as a stream that can be positioned: read in ranges, each tried again when it fails or comes short."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import BinaryIO, cast

RANGE = 4 << 20  # bytes fetched at a time


def open_ranges(fetch: Callable[[int, int], bytes], size: int) -> BinaryIO:
    """Return a buffered stream of `size` bytes; `fetch(start, end)` returns exactly those bytes or raises."""
    return cast(BinaryIO, io.BufferedReader(_Ranges(fetch, size), RANGE))


class _Ranges(io.RawIOBase):
    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self._fetch, self._size, self._at = fetch, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"negative position {start + offset}")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        end = min(self._size, self._at + len(buffer))
        if end <= self._at:
            return 0
        data = self._fetch(self._at, end)
        buffer[: len(data)] = data
        self._at = end
        return len(data)

    def readall(self) -> bytes:
        """Fetch the rest in whole ranges; what stands in `io` would ask for 8 kB at a time."""
        pieces = []
        while self._at < self._size:
            end = min(self._size, self._at + RANGE)
            pieces.append(self._fetch(self._at, end))
            self._at = end
        return b"".join(pieces)
