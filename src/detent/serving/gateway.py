"""One predict request: bytes in, answer out, the log written in between. Knows nothing about sockets.

Order of a request: newest routes -> decode and validate -> choose an arm per row -> one model call per version ->
fallback for rows that failed -> log -> counters -> bytes. Shadows get a copy of the rows at the end and can not change
the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from detent.errors import StoreError
from detent.records.prediction import Prediction
from detent.records.route import Arm
from detent.serving.answers import ENCODE, Answer, Line
from detent.serving.assign import choose, propensity
from detent.serving.counters import FALLBACK, LIVE, Counters
from detent.serving.endpoints import Endpoint, Endpoints
from detent.serving.identifiers import PredictionIds
from detent.serving.log import PredictionLog
from detent.serving.problems import FieldError, unavailable
from detent.serving.scoring import LoadedVersion, Outcome, score
from detent.serving.shadows import ShadowRow, Shadows
from detent.serving.validate import Row, RowReader, invalid, read_loosely
from detent.store.clock import Clock, iso


@dataclass(slots=True)
class _Item:
    """One row on its way through the gateway."""

    id: str
    entity: str
    arm: Arm
    reader: RowReader  # of the signature that `row` was read with
    row: Row
    outcome: Outcome | None = None  # of the chosen version
    rescue: Outcome | None = None  # of the fallback, when it was asked


class Gateway:
    """Answers predict requests of one process, on one thread."""

    def __init__(
        self,
        *,
        endpoints: Endpoints,
        counters: Counters,
        ids: PredictionIds,
        log: PredictionLog,
        shadows: Shadows,
        clock: Clock,
    ) -> None:
        self._endpoints, self._counters, self._ids = endpoints, counters, ids
        self._log, self._shadows, self._clock = log, shadows, clock

    def predict(self, name: str, body: bytes) -> bytes:
        """Return the body of a 200 answer.

        Raises:
            Problem: 400 or 422 for a body that does not fit, 404 for an unknown endpoint, 503 when no version can
                answer any row or when the answer can't be logged.
        """
        endpoint = self._endpoints.find(name)
        now = self._clock.now()
        items = self._items(endpoint, body, now)
        self._ask_chosen(endpoint, items)
        self._ask_fallback(endpoint, items)
        self._write(endpoint, items, now)
        self._count(endpoint, items)
        if endpoint.route.shadows:
            self._shadows.submit(endpoint, _copies(items), now)
        lines = [_line(endpoint, item) for item in items]
        if all(line.score is None for line in lines):
            raise unavailable(
                "model-failed",
                what="no version could answer",
                why=lines[0].error,
                fix="try again; if it goes on, roll back to a version that answers (`detent rollback`)",
            )
        return ENCODE(Answer(endpoint.route.model, lines))

    def _items(self, endpoint: Endpoint, body: bytes, now: datetime) -> list[_Item]:
        """Decode and validate the rows, name them and choose an arm for each."""
        if not endpoint.readers:
            raise unavailable(
                "not-ready",
                what=f"no version at `{endpoint.route.endpoint}` is ready to answer",
                why=endpoint.why_not_ready(endpoint.route.arms[0].version),
                fix="try again; if it goes on, look at `detent status`",
            )
        reader = endpoint.reader
        if reader is None:
            return self._items_of_mixed_signatures(endpoint, body, now)
        request = reader.read(body)
        rows, entities = request.rows, request.entities
        ids = self._ids.mint(now, len(rows), probability=endpoint.probability)
        place = reader.names.index(endpoint.entity) if endpoint.entity in reader.names else None
        items = []
        for number, (id_, row) in enumerate(zip(ids, rows, strict=True)):
            value = entities[number] if entities is not None else None
            if value is None and place is not None:
                value = row[place]
            entity = id_ if value is None else str(value)
            items.append(_Item(id_, entity, choose(endpoint.route, entity), reader, row))
        return items

    def _items_of_mixed_signatures(self, endpoint: Endpoint, body: bytes, now: datetime) -> list[_Item]:
        """Choose arms first, then read each row with the signature of its own version."""
        request = read_loosely(body)
        known = {name for version in endpoint.versions.values() for name in version.reader.names}
        ids = self._ids.mint(now, len(request.rows), probability=endpoint.probability)
        items: list[_Item] = []
        errors: list[FieldError] = []
        for number, (id_, loose) in enumerate(zip(ids, request.rows, strict=True)):
            value = request.entities[number] if request.entities is not None else None
            if value is None and endpoint.entity is not None:
                value = loose.get(endpoint.entity)
            entity = id_ if value is None else str(value)
            arm = choose(endpoint.route, entity)
            reader = endpoint.reader_for(arm.version)
            # While two versions want different inputs, callers send those of both; only what none knows is a mistake.
            mine = {name: value for name, value in loose.items() if name in reader.names or name not in known}
            row, wrong = reader.convert(mine, f"inputs[{number}]")
            errors.extend(wrong)
            items.append(_Item(id_, entity, arm, reader, row))
        if errors:
            raise invalid(errors)
        return items

    def _ask_chosen(self, endpoint: Endpoint, items: Sequence[_Item]) -> None:
        by_version: dict[int, list[_Item]] = {}
        for item in items:
            by_version.setdefault(item.arm.version, []).append(item)
        for number, group in by_version.items():
            version = endpoint.versions.get(number)
            if version is None:
                refusal = Outcome(None, endpoint.why_not_ready(number), 0.0)
                for item in group:
                    item.outcome = refusal
                continue
            for item, outcome in zip(group, score(version, [item.row for item in group]), strict=True):
                item.outcome = outcome

    def _ask_fallback(self, endpoint: Endpoint, items: Sequence[_Item]) -> None:
        number = endpoint.route.fallback
        version = None if number is None else endpoint.versions.get(number)
        if version is None:
            return
        failed = [
            (item, row)
            for item in items
            if item.outcome is not None and item.outcome.score is None and item.arm.version != number
            and (row := _fitting(version, item)) is not None
        ]  # fmt: skip
        if failed:
            for (item, _), outcome in zip(failed, score(version, [row for _, row in failed]), strict=True):
                item.rescue = outcome

    def _write(self, endpoint: Endpoint, items: Sequence[_Item], now: datetime) -> None:
        time = iso(now)
        try:
            self._log.append([row for item in items for row in _log_rows(endpoint, item, time)], now)
        except StoreError as error:
            self._counters.add("log_failures")
            raise unavailable(
                "log-full",
                what="the prediction can't be logged, so it is not given out",
                why=error.why,
                fix="free disk space on the server; nothing was answered that is not in the log",
            ) from error

    def _count(self, endpoint: Endpoint, items: Sequence[_Item]) -> None:
        name, fallback = endpoint.route.endpoint, endpoint.route.fallback
        for item in items:
            outcome, rescue = item.outcome, item.rescue
            if outcome is None:
                continue
            saved = rescue is not None and rescue.score is not None
            failed = outcome.score is None
            self._counters.count((name, item.arm.version, LIVE), seconds=outcome.seconds, error=failed, fallback=saved)
            if rescue is not None and fallback is not None:
                self._counters.count((name, fallback, FALLBACK), seconds=rescue.seconds, error=rescue.score is None)


def _fitting(version: LoadedVersion, item: _Item) -> Row | None:
    """Return the row as another version takes it, or None when that version wants other inputs."""
    if version.reader.signature == item.reader.signature:
        return item.row
    row, errors = version.reader.convert(item.reader.as_dict(item.row), "")
    return None if errors else row


def _line(endpoint: Endpoint, item: _Item) -> Line:
    outcome, rescue, fallback = item.outcome, item.rescue, endpoint.route.fallback
    if outcome is not None and outcome.score is not None:
        return Line(item.id, item.arm.version, outcome.score)
    if rescue is not None and rescue.score is not None and fallback is not None:
        return Line(item.id, fallback, rescue.score, fallback=True)
    return Line(item.id, item.arm.version, None, error="" if outcome is None else outcome.error)


def _log_rows(endpoint: Endpoint, item: _Item, time: str) -> list[Prediction]:
    """Return the row of the chosen version and, when the fallback was asked, one under the arm "fallback"."""
    outcome, rescue, route = item.outcome, item.rescue, endpoint.route
    if outcome is None:
        return []
    inputs = item.reader.as_dict(item.row)
    saved = rescue is not None and rescue.score is not None
    served_by = item.arm.version if outcome.score is not None else route.fallback if saved else None
    asked = [(item.arm.version, LIVE, propensity(item.arm), outcome)]
    if rescue is not None and route.fallback is not None:
        asked.append((route.fallback, FALLBACK, propensity(item.arm), rescue))
    return [
        Prediction(
            id=item.id,
            time=time,
            endpoint=route.endpoint,
            route_seq=route.seq,
            version=version,
            served_by=served_by,
            arm=arm,
            propensity=chance,
            entity=item.entity,
            inputs=inputs,
            score=told.score,
            status="ok" if told.score is not None else "error",
            error=told.error,
            service_seconds=told.seconds,
        )
        for version, arm, chance, told in asked
    ]


def _copies(items: Sequence[_Item]) -> list[ShadowRow]:
    return [ShadowRow(item.id, item.entity, item.reader, item.row) for item in items]
