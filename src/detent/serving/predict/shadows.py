"""Shadow versions: they see each row after it was answered, and what they say goes only into the log.

They run in a thread of their own behind a bounded queue: a slow or broken shadow costs shadows, never an answer. What
does not fit into the queue is dropped and counted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from detent.errors import StoreError
from detent.serving.counts.counters import SHADOW, Counters
from detent.serving.logs.log import PredictionLog
from detent.serving.models.scoring import Outcome, score
from detent.serving.predict.endpoints import Endpoint
from detent.serving.predict.logged import microseconds
from detent.serving.rows.validate import Row, RowReader
from detent.store.turns import LogRow

MAX_WAITING = 20_000  # rows


@dataclass(frozen=True, slots=True)
class ShadowRow:
    """A row that was answered."""

    id: str
    entity: str
    reader: RowReader
    row: Row


@dataclass(frozen=True, slots=True)
class _Job:
    endpoint: Endpoint
    rows: Sequence[ShadowRow]
    now: datetime


class Shadows:
    """The shadow thread of one worker and its queue."""

    def __init__(self, counters: Counters, log: PredictionLog) -> None:
        self._counters, self._log = counters, log
        self._jobs: deque[_Job] = deque()
        self._waiting = 0  # rows queued or being scored
        self._ending = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="shadows", daemon=True)
        self._thread.start()

    def submit(self, endpoint: Endpoint, rows: Sequence[ShadowRow], now: datetime) -> None:
        """Hand over answered rows; returns at once."""
        with self._changed:
            if self._waiting + len(rows) > MAX_WAITING:
                self._counters.add("shadow_dropped", len(rows))
                return
            self._jobs.append(_Job(endpoint, rows, now))
            self._set_waiting(self._waiting + len(rows))
            self._changed.notify()

    def close(self, timeout: float) -> None:
        """Finish what is queued, for at most `timeout` seconds."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(timeout)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._jobs and not self._ending:
                    self._changed.wait()
                if not self._jobs:
                    return
                job = self._jobs.popleft()
            lost = self._score(job)
            with self._changed:
                self._counters.add("shadow_dropped", lost)
                self._set_waiting(self._waiting - len(job.rows))

    def _score(self, job: _Job) -> int:
        """Score and log the rows with every shadow version; return how many rows could not be logged."""
        endpoint, lost = job.endpoint, 0
        for number in endpoint.route.shadows:
            outcomes = _outcomes(endpoint, number, job.rows)
            rows, left_out = _rows(self._log, job, number, outcomes)
            try:
                self._log.append(rows, job.now, left_out=left_out)
            except StoreError:
                lost += len(job.rows)
                continue
            for outcome in outcomes:
                key = (endpoint.route.endpoint, number, SHADOW)
                self._counters.count(key, outcome.seconds, error=outcome.score is None)
        return lost

    def _set_waiting(self, rows: int) -> None:
        self._waiting = rows
        self._counters.set("shadow_pending", rows)


def _outcomes(endpoint: Endpoint, number: int, rows: Sequence[ShadowRow]) -> list[Outcome]:
    version = endpoint.versions.get(number)
    if version is None:
        return [Outcome(None, endpoint.why_not_ready(number), 0.0)] * len(rows)
    signature = version.reader.signature
    if all(row.reader.signature == signature for row in rows):
        return score(version, [row.row for row in rows])
    outcomes = []
    for row in rows:
        converted, errors = version.reader.convert(row.reader.as_dict(row.row), "")
        failure = f"{errors[0].field.lstrip('.')}: {errors[0].message}" if errors else ""
        outcomes.append(Outcome(None, failure, 0.0) if errors else score(version, [converted])[0])
    return outcomes


def _rows(log: PredictionLog, job: _Job, number: int, outcomes: Sequence[Outcome]) -> tuple[list[LogRow], int]:
    """Return what a shadow said as it is logged, and how many rows are not in the sample."""
    endpoint, time, rows = job.endpoint, microseconds(job.now), list[LogRow]()
    route = endpoint.route
    for row, outcome in zip(job.rows, outcomes, strict=True):
        if not log.everything and not log.wants(row.id):
            continue
        shape = log.shapes.of(row.reader)
        rows.append(
            LogRow(
                row.id, time, route.endpoint, route.seq, number, None, SHADOW, 1.0,
                log.shapes.entity(endpoint.entity, row.entity), shape.number,
                row.row if shape.mask is None else shape.mask(row.row),
                outcome.score, outcome.error, outcome.seconds, "", outcome.classes,
            )
        )  # fmt: skip
    return rows, len(job.rows) - len(rows)
