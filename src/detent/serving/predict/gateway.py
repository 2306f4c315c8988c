"""Predict requests of one process: rows in, answers out, the log written in between. Knows nothing about sockets.

A request's way: newest routes -> an arm per row -> the end of this turn of the event loop. Rows that arrive within one
turn share one model call per version and one write to the log. Then: fallback for rows that failed -> log -> answers.
Shadows get a copy of the rows at the end and can not change the answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter

from detent.errors import StoreError
from detent.records.route import Arm
from detent.serving.assign import BUCKETS, choose
from detent.serving.counts.counters import FORCED, Counters
from detent.serving.identifiers import PredictionIds
from detent.serving.logs.log import PredictionLog
from detent.serving.models.lanes import LATE, Lane, unasked
from detent.serving.models.scoring import Outcome
from detent.serving.predict.answering import answer_of
from detent.serving.predict.counted import count_rows
from detent.serving.predict.endpoints import Endpoint, Endpoints
from detent.serving.predict.logged import logged_rows
from detent.serving.predict.shadows import ShadowRow, Shadows
from detent.serving.predict.tickets import Item, Ticket
from detent.serving.problems import BUG, FieldError, Problem, unavailable
from detent.serving.rows.validate import MAX_SHOWN, LooseRequest, Request, Row, RowReader, invalid
from detent.store.clock import Clock

LOG = logging.getLogger(__name__)
_RECENT = 0.1  # weight of the newest turn in what a request takes
See = Callable[[Sequence[Ticket]], None]


class Gateway:
    """Answers predict requests of one process, on its event loop."""

    def __init__(
        self,
        *,
        endpoints: Endpoints,
        counters: Counters,
        ids: PredictionIds,
        log: PredictionLog,
        shadows: Shadows,
        clock: Clock,
        see: See | None = None,
    ) -> None:
        """`see` is handed the rows of each turn that was answered."""
        self._endpoints, self._counters, self._ids = endpoints, counters, ids
        self._log, self._shadows, self._clock = log, shadows, clock
        self._accepted: list[Ticket] = []  # wait for the end of this turn of the event loop
        self._scored: list[Ticket] = []  # wait for the log
        self._flushing = False
        self._see = see
        self._now, self._began = clock.now(), 0.0  # of this turn of the event loop; `perf_counter()`
        self.pace = 0.0  # seconds of this process that a request has taken lately
        endpoints.tell(self._told)

    def accept(self, ticket: Ticket, request: Request | LooseRequest) -> None:
        """Take a request; its `done` is told the answer at the end of this turn of the event loop, or later.

        Args:
            ticket: whose request it is; its endpoint is as it was when the request was read.
            request: typed rows; loose ones when the versions of the endpoint want different inputs.

        Raises:
            Problem: 422 for loose rows that do not fit the version that they are meant for, 503 when what can't be
                logged may not be answered and the log is full.
        """
        if self._log.audit and self._log.refuses:
            self._counters.add("log_failures")
            raise _unlogged("the prediction log has reached its bound, and its mode is `audit`")
        if not self._accepted:
            self._now, self._began = self._clock.now(), perf_counter()
        ticket.now = self._now
        if isinstance(request, LooseRequest):
            ticket.items = self._loose_items(ticket, request)
        else:
            ticket.items = self._items(ticket, request)
        ticket.open = len(ticket.items)
        if not self._accepted:
            asyncio.get_running_loop().call_soon(self.flush)
        self._accepted.append(ticket)

    def flush(self) -> None:
        """Score what was accepted in this turn: one call for all rows of a version."""
        tickets, self._accepted = self._accepted, []
        self._flushing = True
        try:
            self._score(tickets)
        except Exception:
            LOG.exception("action=score requests=%d", len(tickets))
            for ticket in tickets:
                if ticket.open:
                    ticket.open = 0
                    ticket.done(ticket, BUG)
        finally:
            self._flushing = False
        self._finish()
        self.pace += _RECENT * ((perf_counter() - self._began) / len(tickets) - self.pace)

    def _score(self, tickets: Sequence[Ticket]) -> None:
        now = perf_counter()
        late: list[Item] = []
        groups: dict[Lane[Item] | None, list[Item]] = {}
        endpoint, arm, group = None, None, late
        for ticket in tickets:
            if ticket.deadline <= now or ticket.gone:
                late += ticket.items
                continue
            for item in ticket.items:
                if item.arm is not arm or ticket.endpoint is not endpoint:  # most of a turn have the same
                    arm, endpoint = item.arm, ticket.endpoint
                    group = groups.setdefault(endpoint.lanes.get(arm.version), [])
                group.append(item)
        if late:
            self._told(late, [LATE] * len(late))
        for lane, items in groups.items():
            if lane is None:
                self._told(items, [_not_ready(item) for item in items])
            else:
                lane.ask(items, [item.row for item in items], [item.ticket.deadline for item in items])

    def _items(self, ticket: Ticket, request: Request) -> Sequence[Item]:
        """Name the rows and choose an arm for each."""
        endpoint, reader, rows, entities = ticket.endpoint, request.reader, request.rows, request.entities
        ids = self._ids.mint(self._now, len(rows), probability=endpoint.probability, classes=endpoint.classes != ())
        arm = endpoint.only
        if arm is not None and request.version is None and entities is None:
            if len(rows) == 1:  # the usual request
                return (Item(ticket, ids[0], ids[0], arm, reader, rows[0]),)
            return [Item(ticket, id_, id_, arm, reader, row) for id_, row in zip(ids, rows, strict=True)]
        arm_for = partial(choose, endpoint.route) if request.version is None else _forced(ticket, request.version)
        place = reader.places.get(endpoint.entity) if endpoint.entity is not None else None
        if entities is None and place is None:  # nobody to stick to: every row is its own entity
            return [Item(ticket, id_, id_, arm_for(id_), reader, row) for id_, row in zip(ids, rows, strict=True)]
        items = []
        for number, (id_, row) in enumerate(zip(ids, rows, strict=True)):
            value = entities[number] if entities is not None else None
            if value is None and place is not None:
                value = row[place]
            entity = id_ if value is None else str(value)
            items.append(Item(ticket, id_, entity, arm_for(entity), reader, row))
        return items

    def _loose_items(self, ticket: Ticket, request: LooseRequest) -> list[Item]:
        """Choose arms first, then read each row with the signature of its own version."""
        endpoint = ticket.endpoint
        arm_for = partial(choose, endpoint.route) if request.version is None else _forced(ticket, request.version)
        known = {name for version in endpoint.versions.values() for name in version.reader.names}
        ids = self._ids.mint(
            self._now, len(request.rows), probability=endpoint.probability, classes=endpoint.classes != ()
        )
        items: list[Item] = []
        errors: list[FieldError] = []
        for number, (id_, loose) in enumerate(zip(ids, request.rows, strict=True)):
            value = request.entities[number] if request.entities is not None else None
            if value is None and endpoint.entity is not None:
                value = loose.get(endpoint.entity)
            entity = id_ if value is None else str(value)
            arm = arm_for(entity)
            reader = endpoint.reader_for(arm.version)
            # While two versions want different inputs, callers send those of both; only what none knows is a mistake.
            mine = {name: value for name, value in loose.items() if name in reader.names or name not in known}
            row, wrong = reader.convert(mine, f"inputs[{number}]")
            errors.extend(wrong)
            items.append(Item(ticket, id_, entity, arm, reader, row))
            if len(errors) >= MAX_SHOWN:
                break
        if errors:
            raise invalid(errors)
        return items

    def _told(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        """Take what a version said about rows; rows that it failed on go to the fallback."""
        failed: dict[Lane[Item], list[tuple[Item, Row]]] = {}
        for item, outcome in zip(items, outcomes, strict=True):
            ticket = item.ticket
            if item.outcome is not None:
                item.rescue = outcome
            else:
                item.outcome = outcome
                if outcome.score is None and not unasked(outcome):
                    lane = _fallback(ticket.endpoint, item)
                    row = None if lane is None else _fitting(lane, item)
                    if lane is not None and row is not None:
                        failed.setdefault(lane, []).append((item, row))
                        continue
            if outcome.score is None:
                item.rule = _by_rule(item)
            ticket.open -= 1
            if not ticket.open:
                self._scored.append(ticket)
        for lane, pairs in failed.items():
            lane.ask(
                [item for item, _ in pairs],
                [row for _, row in pairs],
                [item.ticket.deadline for item, _ in pairs],
            )
        if not self._flushing:
            self._finish()

    def _finish(self) -> None:
        """Write what was scored to the log, with one system call, and only then answer."""
        tickets, self._scored = self._scored, []
        if not tickets:
            return
        try:
            problem = self._write(tickets)
        except Exception:  # a bug: whoever waits is told so, and nothing is given out that is not in the log
            LOG.exception("action=log requests=%d", len(tickets))
            problem = BUG
        if problem is None and self._log.audit:
            loop = asyncio.get_running_loop()
            self._log.after_sync(lambda failure: loop.call_soon_threadsafe(self._synced, tickets, failure))
        else:
            self._give_out(tickets, problem)

    def _synced(self, tickets: Sequence[Ticket], failure: str) -> None:
        if failure:
            self._counters.add("log_failures")
        self._give_out(tickets, _unlogged(failure) if failure else None)

    def _give_out(self, tickets: Sequence[Ticket], problem: Problem | None) -> None:
        """Answer what is in the log, or say why it can't be. Counting comes after that: nobody waits for it."""
        for ticket in tickets:
            if problem is None and ticket.endpoint.route.shadows:  # first: whoever was answered may count on them
                self._shadows.submit(ticket.endpoint, _copies(ticket.items), ticket.now)
            ticket.done(ticket, problem or answer_of(ticket))
        if problem is None:
            count_rows(tickets, self._counters)
            if self._see is not None:
                self._see(tickets)
        for ticket in tickets:
            ticket.items, ticket.asked = (), None  # no circle is left for the collector to find

    def _write(self, tickets: Sequence[Ticket]) -> Problem | None:
        rows, left_out = logged_rows(tickets, self._log)
        try:
            if not self._log.append(rows, self._now, left_out=left_out):
                for ticket in tickets:
                    ticket.unlogged = True
        except StoreError as error:
            self._counters.add("log_failures")
            return _unlogged(error.why)
        return None


def _forced(ticket: Ticket, version: int) -> Callable[[str], Arm]:
    """Return what gives every row to one version. Such rows are kept apart: nobody was chosen for them by chance."""
    ticket.arm, arm = FORCED, Arm(version=version, weight=BUCKETS)
    return lambda _: arm


def _unlogged(why: str) -> Problem:
    return unavailable(
        "log-full",
        what="the prediction can't be logged, so it is not given out",
        why=why,
        fix="free disk space on the server; nothing was answered that is not in the log",
    )


def _not_ready(item: Item) -> Outcome:
    return Outcome(None, item.ticket.endpoint.why_not_ready(item.arm.version), 0.0)


def _fallback(endpoint: Endpoint, item: Item) -> Lane[Item] | None:
    number = endpoint.route.fallback
    return None if number is None or number == item.arm.version else endpoint.lanes.get(number)


def _fitting(lane: Lane[Item], item: Item) -> Row | None:
    """Return the row as another version takes it, or None when that version wants other inputs."""
    reader = lane.version.reader
    if reader.signature == item.reader.signature:
        return item.row
    row, errors = reader.convert(item.reader.as_dict(item.row), "")
    return None if errors else row


def _by_rule(item: Item) -> float | None:
    """Return the score that was set for rows that no version could answer; None for those that none was asked for."""
    rule = item.ticket.endpoint.score
    if rule is None or item.outcome is None or unasked(item.outcome):
        return None
    place = None if rule.field is None else item.reader.places.get(rule.field)
    return rule.of(None if place is None else item.row[place])


def _copies(items: Sequence[Item]) -> list[ShadowRow]:
    return [ShadowRow(item.id, item.entity, item.reader, item.row) for item in items]


def reader_of(endpoint: Endpoint) -> RowReader | None:
    """Return what reads requests to an endpoint; None when its versions want different inputs.

    Raises:
        Problem: 503 when no version is ready to answer.
    """
    if not endpoint.readers:
        raise unavailable(
            "not-ready",
            what=f"no version at `{endpoint.route.endpoint}` is ready to answer",
            why=endpoint.why_not_ready(endpoint.route.arms[0].version),
            fix="try again; if it goes on, look at `detent status`",
        )
    return endpoint.reader
