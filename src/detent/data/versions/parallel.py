"""Work in several threads whose results come in order, with a bounded number of tasks under way."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

WORKERS = min(16, 4 * (os.cpu_count() or 1))  # threads: they wait for the disk or the network most of the time
AHEAD = 4 * WORKERS  # tasks that are begun before the oldest is done: bounds memory
CHUNK = 64  # small files of one task: a task costs more than a small file

T = TypeVar("T")
R = TypeVar("R")
Advance = Callable[[int, int], None]  # told (files, bytes) done since the last call; from one thread
Progress = Callable[[str, int, int], Advance]  # told what begins, with how many files and bytes


def in_order(work: Callable[[T], R], tasks: Iterable[tuple[T, R | None]]) -> Generator[R]:
    """Yield the result of each task in order: the one that is given, or what `work` returns for it in a thread.

    The first exception of a task is raised in its turn; tasks that have not begun are dropped. Close the generator
    (`contextlib.closing`) when its end may not be reached.
    """
    pool = ThreadPoolExecutor(WORKERS)
    waiting: deque[Future[R]] = deque()
    try:
        for task, known in tasks:
            waiting.append(pool.submit(work, task) if known is None else _done(known))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def in_chunks(items: Iterable[T]) -> Generator[tuple[list[T], None]]:
    """Yield items as tasks of CHUNK items."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == CHUNK:
            yield chunk, None
            chunk = []
    yield chunk, None


def _done(result: R) -> Future[R]:
    future: Future[R] = Future()
    future.set_result(result)
    return future


def silent(what: str, files: int, size: int) -> Advance:
    """Show no progress."""
    del what, files, size
    return _unheard


def _unheard(files: int, size: int) -> None:
    del files, size
