"""What a step prints, in a file: also what libraries print from C or Rust, and what its child processes print."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from detent.pipeline.repeat import Repeater

LARGEST_LOG = 64 * 2**20  # bytes; a step that prints a gigabyte must not fill the disk
_CUT = b"\n[the log was cut here: the step prints more than %d MiB; what follows is its latest output]\n"
_looks = Repeater(lambda: 0.5, name="detent-log")  # at the log's size


@contextlib.contextmanager
def captured(log: Path) -> Iterator[None]:
    """Send file descriptors 1 and 2 to the log while the block runs.

    Raises:
        OSError: the file can't be made.
    """
    try:
        descriptor = _open(log)
    except FileNotFoundError:  # the run's first
        log.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _open(log)
    kept = [(number, os.dup(number)) for number in (1, 2)]
    streams = sys.stdout, sys.stderr
    size = _Size(descriptor)
    _flush()
    try:
        for number, _ in kept:
            os.dup2(descriptor, number)
        with _looks.calling(size.look):
            yield
    finally:
        _flush()
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
        sys.stdout, sys.stderr = map(_usable, streams, (1, 2))  # the step may have replaced or closed them
        size.look()
        size.close()


def _open(log: Path) -> int:
    # O_APPEND: after a cut, whoever holds the descriptor goes on at the new end.
    return os.open(log, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)


def _usable(stream: TextIO, number: int) -> TextIO:
    return open(number, "w", buffering=1, closefd=False) if stream.closed else stream


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A full disk, or a stream that the step has closed or removed.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


class _Size:
    """Keeps an open log small."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()  # between a look and the closing: the number soon names another file

    def look(self) -> None:
        """Cut the log if it is too large."""
        with self._lock, contextlib.suppress(OSError):
            if self._descriptor >= 0 and os.fstat(self._descriptor).st_size > LARGEST_LOG:
                _cut(self._descriptor)

    def close(self) -> None:
        """Close the log."""
        with self._lock:
            os.close(self._descriptor)
            self._descriptor = -1


def _cut(descriptor: int) -> None:
    """Keep the first half of what is allowed and drop the rest; the next output goes behind it."""
    os.ftruncate(descriptor, LARGEST_LOG // 2)
    os.write(descriptor, _CUT % (LARGEST_LOG >> 20))
