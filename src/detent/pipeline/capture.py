"""What a step prints, in a file: also what libraries print from C or Rust, and what its child processes print."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

LARGEST_LOG = 64 * 2**20  # bytes; a step that prints a gigabyte must not fill the disk
_CUT = b"\n[the log was cut here: the step prints more than %d MiB; what follows is its latest output]\n"
_LOOKS = 0.5  # seconds between looks at the log's size


@contextlib.contextmanager
def captured(log: Path) -> Iterator[None]:
    """Send file descriptors 1 and 2 to the log while the block runs.

    Raises:
        OSError: the file can't be made.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    # O_APPEND: after a cut, whoever holds the descriptor goes on at the new end.
    descriptor = os.open(log, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    kept = [(number, os.dup(number)) for number in (1, 2)]
    streams = sys.stdout, sys.stderr
    ended = threading.Event()
    watcher = threading.Thread(target=_keep_small, args=(descriptor, ended), daemon=True, name="detent-log")
    _flush()
    try:
        for number, _ in kept:
            os.dup2(descriptor, number)
        watcher.start()
        yield
    finally:
        _flush()
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
        sys.stdout, sys.stderr = map(_usable, streams, (1, 2))  # the step may have replaced or closed them
        ended.set()
        watcher.join()
        os.close(descriptor)


def _usable(stream: TextIO, number: int) -> TextIO:
    return open(number, "w", buffering=1, closefd=False) if stream.closed else stream


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A full disk, or a stream that the step has closed or removed.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _keep_small(descriptor: int, ended: threading.Event) -> None:
    last = False
    while not last:
        last = ended.wait(_LOOKS)
        with contextlib.suppress(OSError):
            if os.fstat(descriptor).st_size > LARGEST_LOG:
                _cut(descriptor)


def _cut(descriptor: int) -> None:
    """Keep the first half of what is allowed and drop the rest; the next output goes behind it."""
    os.ftruncate(descriptor, LARGEST_LOG // 2)
    os.write(descriptor, _CUT % (LARGEST_LOG >> 20))
