"""How much the prediction log of a state may still write: one bound for the segments of all its workers."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

from detent.serving.counts.counters import Counters

LOG = logging.getLogger(__name__)
FINE, NEARLY_FULL, FULL = range(3)  # the gauge `log_level`
_NEARLY = 0.8
_LOOKS = 4  # how often a folder is measured whose files are renamed meanwhile
_SHARE = 8  # a worker writes at most this part of what is free before it looks again: the others write too


class Room:
    """What is left of `max_bytes`. Methods are called under the log's lock; only the sizes in the folder are shared.

    Workers don't talk to each other; each one looks at the folder now and then. What all of them write beyond the bound
    is at most what the others wrote since they last looked, which they do at every sync.
    """

    def __init__(self, folder: Path, max_bytes: int, counters: Counters) -> None:
        self._folder, self._max_bytes, self._counters = folder, max_bytes, counters
        self._reserve = min(1 << 20, max_bytes // 64)
        self._free = self._allowance = 0
        self._level = FINE
        self.look()

    @property
    def full(self) -> bool:
        """True when nothing more may be written, as far as the last look tells."""
        return self._level == FULL

    def take(self, size: int) -> bool:
        """Tell whether `size` bytes may be written, and count them as written."""
        if size > self._allowance:
            if self.full:  # the next sync looks again
                return False
            self.look()
            if self.full or size > self._free:
                return False
        self._allowance -= size
        return True

    def look(self) -> None:
        """Measure the folder."""
        used = _used(self._folder)
        self._free = self._max_bytes - used
        self._counters.set("log_bytes", used)
        self._tell(FULL if self._free < self._reserve else NEARLY_FULL if used >= _NEARLY * self._max_bytes else FINE)
        self._allowance = 0 if self.full else self._free // _SHARE

    def _tell(self, level: int) -> None:
        if level == self._level:
            return
        self._level = level
        self._counters.set("log_level", level)
        text = "action=measure what='prediction log' free=%d of=%d level=%s"
        severity = (logging.INFO, logging.WARNING, logging.CRITICAL)[level]
        LOG.log(severity, text, self._free, self._max_bytes, ("fine", "nearly full", "full")[level])


def _used(folder: Path) -> int:
    """Bytes of the files of a folder; 0 when it can't be read. A file that is renamed meanwhile is not overlooked."""
    used = 0
    for _ in range(_LOOKS):
        used, gone = 0, False
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                try:
                    used += entry.stat().st_size
                except FileNotFoundError:  # retired, so it has another name, or moved to Parquet
                    gone = True
        if not gone:
            break
    return used
