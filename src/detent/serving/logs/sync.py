"""The thread that brings the log from the kernel's memory to the disk, so that nobody else waits for the disk."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from detent.errors import StoreError
from detent.serving.counts.counters import Counters
from detent.serving.logs.room import Room
from detent.store.segments import Live, SegmentWriter, finish

LOG = logging.getLogger(__name__)
Synced = Callable[[str], object]  # told "" once what was written before is on the disk, or why it is not


class Syncer:
    """Syncs the live segment now and then, at once when somebody waits, and finishes complete segments.

    While a sync is under way, those who come wait together for the next one.
    """

    def __init__(self, lock: threading.Lock, every: float, *, room: Room, counters: Counters) -> None:
        self._lock, self._every, self._room, self._counters = lock, every, room, counters
        self._writer: SegmentWriter | None = None
        self._dirty = self._ending = False
        self._waiting: list[Synced] = []
        self._retired: list[Live] = []
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, name="log-sync", daemon=True)

    def start(self, writer: SegmentWriter) -> None:
        """Begin to look after a writer's files."""
        self._writer = writer
        self._thread.start()

    def wrote(self) -> None:
        """Say that something was written."""
        self._dirty = True

    def retire(self, live: Live) -> None:
        """Finish a complete segment soon; called under the lock."""
        self._retired.append(live)
        self._wake.set()

    def after(self, synced: Synced) -> None:
        """Have somebody told, by the thread, once everything that was written so far is on the disk."""
        with self._lock:
            self._waiting.append(synced)
        self._wake.set()

    def close(self) -> None:
        """Sync and finish what there is, then end the thread."""
        self._ending = True
        self._wake.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ending:
            self._wake.wait(self._every)
            self._wake.clear()
            self._sync()
        self._sync()  # what came while the last one was under way

    def _sync(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
            retired, self._retired = self._retired, []
            dirty, self._dirty = self._dirty, False
            # A descriptor taken here stays open: only this thread closes those that are retired.
            descriptor = -1 if self._writer is None else self._writer.descriptor
            self._room.look()
        problem = self._finish(retired)
        if dirty and descriptor >= 0:
            try:
                os.fdatasync(descriptor)
            except OSError as error:
                problem = self._failed(error.strerror or str(error))
        for synced in waiting:
            try:
                synced(problem)
            except Exception:  # whoever it is may be gone; the others still wait
                LOG.exception("action=sync what='prediction log'")

    def _finish(self, retired: list[Live]) -> str:
        problem = ""
        for live in retired:
            try:
                finish(live)
            except StoreError as error:
                problem = self._failed(error.why)
        return problem

    def _failed(self, why: str) -> str:
        self._counters.add("log_sync_failures")
        LOG.error("action=sync what='prediction log' reason=%r", why)
        return why
