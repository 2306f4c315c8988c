"""The prediction log of one worker: rows are in the kernel's hands before their answer leaves.

Promise: an answered prediction survives the death (SIGKILL) of any process. It does not promise to survive a power cut:
the file is synced when it is sealed.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec

from detent.errors import Place, StoreError
from detent.store.segments import SegmentWriter


class LogRow(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A `records.prediction.Prediction` on its way to the disk: the same fields, quicker to make and to write."""

    id: str
    time: str
    endpoint: str
    route_seq: int
    version: int
    served_by: int | None
    arm: str
    propensity: float
    entity: str
    inputs: Any  # a struct or a mapping by field name
    score: float | None
    status: str
    error: str
    service_seconds: float
    request: str = ""


class PredictionLog:
    """Appends predictions to the segments of one owner. Safe for several threads."""

    def __init__(self, folder: Path, owner: str, *, max_bytes: int) -> None:
        self._writer = SegmentWriter(folder, owner, max_bytes=max_bytes)
        self._lock = threading.Lock()
        self._encode = msgspec.json.Encoder().encode
        self._day: date | None = None  # of the rows in the live segment

    def append(self, predictions: Sequence[LogRow], now: datetime) -> None:
        """Write the rows of one answer with one system call.

        Raises:
            StoreError: the disk is full, or the folder can't be used; the answer must not be given out.
        """
        payloads = [self._encode(prediction) for prediction in predictions]
        try:
            with self._lock:
                self._turn(now.date())
                self._writer.append(payloads)
                self._day = now.date()
        except OSError as error:  # the folder is gone or unreadable, or a finished segment could not be synced
            raise StoreError(
                what="the log can't be written",
                why=f"the operating system says: {error.strerror or error}",
                fix="mend the folder of the log; what was not written was not answered either",
                where=Place(file=str(error.filename or "")),
            ) from error

    def turn(self, now: datetime) -> None:
        """Seal the live segment once its day is over, so that each day's rows can move to that day's Parquet folder."""
        with self._lock:
            self._turn(now.date())

    def close(self) -> None:
        """Seal the live segment."""
        with self._lock:
            self._writer.seal()

    def _turn(self, today: date) -> None:
        if self._day is not None and self._day != today:
            self._writer.seal()
            self._day = None
