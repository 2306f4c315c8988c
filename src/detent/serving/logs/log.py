"""The prediction log of one worker: rows are in the kernel's hands before their answer leaves.

An answered prediction survives the death (SIGKILL) of any process. A power cut may take what was written since the last
sync; in the mode "audit" answers wait for that. Nothing here waits for the disk: a thread of the log does.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec

from detent.errors import Place, StoreError
from detent.records.log import AUDIT, OFF, SAMPLE, LogPlan
from detent.serving.counts.counters import Counters
from detent.serving.logs.room import Room
from detent.serving.logs.sync import Synced, Syncer
from detent.serving.rows.shapes import Shapes
from detent.store.segments import SegmentWriter
from detent.store.turns import LogRow, encode_turn, shortened

SEGMENT_BYTES = 16 << 20
LARGE_ROW = 16 << 10  # bytes; of a row that is larger, long texts are cut
KEPT_TEXT = 256  # characters of such a text that are kept
_DAY = timedelta(days=1)


class PredictionLog:
    """Appends predictions to the segments of one owner. Safe for several threads.

    Args:
        folder: of the segments of all workers.
        owner: what this worker's segments are called.
        plan: what is logged and how much of it.
        key: the installation's secret, for fields that are hashed.
        counters: where dropped and left-out rows are counted.
        segment_bytes: size after which a segment is complete.
    """

    def __init__(
        self,
        folder: Path,
        owner: str,
        *,
        plan: LogPlan,
        key: bytes,
        counters: Counters,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._counters, self._lock = counters, threading.Lock()
        self._day: date | None = None  # of the rows in the live segment
        self.shapes = Shapes(dict(plan.fields), key)
        self.audit = plan.mode == AUDIT  # answers wait for `after_sync`
        self.everything = plan.mode not in (SAMPLE, OFF)  # False: ask `wants` for each prediction
        self._edge = round(plan.sample * 2**32) if plan.mode == SAMPLE else 0
        self._room = Room(folder, plan.max_bytes, counters)
        self._syncer = Syncer(self._lock, plan.sync.total_seconds(), room=self._room, counters=counters)
        self._writer = SegmentWriter(folder, owner, max_bytes=segment_bytes, retire=self._syncer.retire)
        self._syncer.start(self._writer)

    @property
    def refuses(self) -> bool:
        """True when a prediction made now could not be logged and so must not be made: mode "audit", no room."""
        return self.audit and self._room.full

    def wants(self, prediction: str) -> bool:
        """Tell whether a prediction is part of the sample: all rows about one id are, or none.

        The last digits of an id are a keyed hash, so they are uniform and nobody outside can choose them.
        """
        return int(prediction[-8:], 16) < self._edge

    def append(self, rows: Sequence[LogRow], now: datetime, *, left_out: int = 0) -> bool:
        """Write the rows of one turn with one system call; False when the log is full: they were dropped, and counted.

        Args:
            rows: with shapes of this log.
            now: when they were answered.
            left_out: rows that belong to the turn and are not in the sample.

        Raises:
            StoreError: the disk is full, or the folder can't be used, or there is no room left and the mode is "audit";
                the answer must not be given out.
        """
        try:
            with self._lock:
                if left_out:
                    self._counters.add("log_left_out", left_out)
                return not rows or self._append(rows, now.date())
        except OSError as error:  # the folder is gone or unreadable
            raise StoreError(
                what="the log can't be written",
                why=f"the operating system says: {error.strerror or error}",
                fix="mend the folder of the log; what was not written was not answered either",
                where=Place(file=str(error.filename or "")),
            ) from error

    def after_sync(self, synced: Synced) -> None:
        """Have somebody told, by another thread, once everything appended so far survives a power cut, or can't."""
        self._syncer.after(synced)

    def turn(self, now: datetime) -> None:
        """Retire the live segment once its day is over, so that each day's rows can move to that day's folder."""
        with self._lock:
            self._turn(now.date())

    def close(self) -> None:
        """Finish the live segment; nothing may be appended afterwards."""
        with self._lock:
            self._writer.turn()
        self._syncer.close()

    def _append(self, rows: Sequence[LogRow], today: date) -> bool:
        self._turn(today)
        turn = self._encode(rows)
        if not self._room.take(len(turn)):
            self._counters.add("log_dropped", len(rows))
            if self.audit:
                raise _no_room()
            return False
        self._writer.append((turn,))
        self._syncer.wrote()
        self._day = self._day or today
        return True

    def _encode(self, rows: Sequence[LogRow]) -> bytes:
        names = self.shapes.names
        if len(names) > 1:
            names = {number: names[number] for number in {row.shape for row in rows}}
        turn = encode_turn(names, rows)
        if len(turn) > LARGE_ROW and self.shapes.texts:
            changed = [_bounded(row) for row in rows]  # all of them, not only the first that is too large
            return encode_turn(names, rows) if any(changed) else turn
        return turn

    def _turn(self, today: date) -> None:
        day = self._day
        # Not when a shadow of yesterday comes late, only when the clock was put back by days: whichever segment a row
        # is in, it ends in the folder of its own day.
        if day is not None and (today > day or day - today > _DAY):
            self._day = None
            self._writer.turn()


def _bounded(row: LogRow) -> bool:
    """Cut the long texts of a row that is too large, and tell whether it was; very many numbers stay as they are."""
    texts = [value for value in row.values if isinstance(value, str) and len(value) > KEPT_TEXT]
    if not texts or len(msgspec.msgpack.encode(row)) <= LARGE_ROW:
        return False
    row.values = tuple(
        [
            shortened(value, KEPT_TEXT) if isinstance(value, str) and len(value) > KEPT_TEXT else value
            for value in row.values
        ]
    )
    return True


def _no_room() -> StoreError:
    return StoreError(
        what="the prediction log is full",
        why="its segments have reached `serving.log.max_bytes` and nothing may be answered that is not logged",
        fix="let `detent up` move finished segments to Parquet, or allow the log more space",
    )
