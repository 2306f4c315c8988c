"""Have permissions count for root, too, who else may write whatever is read-only."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

# linux/capability.h
_VERSION = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1 << 1, 1 << 2


@contextmanager
def permissions_count() -> Iterator[None]:
    """Give up the capability to pass over permissions, in this thread and those that it starts.

    Root stays the owner of its files. To become another user instead would close the folders to the process that its
    own modules lie in, wherever a checkout is for its owner only; and what Python did not find once stays lost.
    """
    if os.geteuid():
        yield
        return
    before = _capabilities()
    effective = before[0] & ~(_DAC_OVERRIDE | _DAC_READ_SEARCH)
    _set((effective, *before[1:]))
    try:
        yield
    finally:
        _set(before)


def _capabilities() -> tuple[int, ...]:
    """Return effective, permitted and inheritable ones, the lower 32 of each and then the upper."""
    found = (ctypes.c_uint32 * 6)()
    _call("capget", found)
    return tuple(found)


def _set(values: tuple[int, ...]) -> None:
    _call("capset", (ctypes.c_uint32 * 6)(*values))


def _call(name: str, data: ctypes.Array[ctypes.c_uint32]) -> None:
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)  # 0: the calling thread
    libc = ctypes.CDLL(None, use_errno=True)
    if libc[name](header, data):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
