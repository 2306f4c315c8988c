"""Ways to be refused by the operating system that are real, and that work for root, too."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager


@contextmanager
def limit(kind: int, value: int) -> Iterator[None]:
    """Have the operating system refuse what goes beyond."""
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (value, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))


def no_space() -> AbstractContextManager[None]:
    """No file may grow beyond 1,000 bytes: writes end as on a full disk, with another number."""
    return limit(resource.RLIMIT_FSIZE, 1000)


@contextmanager
def no_descriptors() -> Iterator[None]:
    """No file can be opened any more."""
    lowest_free = os.dup(0)
    os.close(lowest_free)
    with limit(resource.RLIMIT_NOFILE, lowest_free):
        yield
