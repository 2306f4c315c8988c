"""What one turn of the event loop leaves in the log: a row per prediction, and one more for each version besides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from detent.serving.assign import BUCKETS
from detent.serving.counters import FALLBACK
from detent.serving.endpoints import BY_RULE
from detent.serving.lanes import LATE, STOPPED
from detent.serving.log import PredictionLog
from detent.serving.tickets import Item, Ticket
from detent.store.turns import LogRow


def microseconds(moment: datetime) -> int:
    """Return a time as it stands in the log."""
    return round(moment.timestamp() * 1e6)  # exact until the year 2106: a float has 53 bits


def logged_rows(tickets: Sequence[Ticket], log: PredictionLog) -> tuple[list[LogRow], int]:
    """Return the rows of a turn, and how many predictions are not among them because they are not in the sample.

    A prediction has a row for the chosen version and, when the fallback was asked, one under the arm "fallback".
    """
    rows: list[LogRow] = []
    left_out, now, time = 0, None, 0
    reader, shape = None, None
    everything, shapes = log.everything, log.shapes
    for ticket in tickets:
        if ticket.now is not now:  # most of a turn came at the same moment
            now, time = ticket.now, microseconds(ticket.now)
        route, request = ticket.endpoint.route, ticket.request
        for item in ticket.items:
            outcome = item.outcome
            if outcome is None or outcome is LATE or outcome is STOPPED:
                continue
            if not everything and not log.wants(item.id):
                left_out += 1
                continue
            if shape is None or item.reader is not reader:
                reader, shape = item.reader, shapes.of(item.reader)
            values, entity, arm, score = item.row, item.entity, item.arm, outcome.score
            if shape.mask is not None:
                values = shape.mask(values)
            if shapes.masks_entities:
                entity = shapes.entity(ticket.endpoint.entity, entity)
            served_by = arm.version if score is not None else _served_by(item)
            row = LogRow(
                item.id, time, route.endpoint, route.seq, arm.version, served_by, ticket.arm, arm.weight / BUCKETS,
                entity, shape.number, values, score, outcome.error, outcome.seconds, request,
            )  # fmt: skip
            rows.append(row)
            if item.rescue is not None:
                rows += _rescue_row(item, row)
            if item.rule is not None:
                rows.append(replace(row, version=BY_RULE, arm=FALLBACK, score=item.rule, error="", seconds=0.0))
    return rows, left_out


def _served_by(item: Item) -> int | None:
    if item.rescue is not None and item.rescue.score is not None:
        return item.ticket.endpoint.route.fallback
    return None if item.rule is None else BY_RULE


def _rescue_row(item: Item, row: LogRow) -> list[LogRow]:
    rescue, fallback = item.rescue, item.ticket.endpoint.route.fallback
    if rescue is None or fallback is None:
        return []
    return [
        LogRow(
            row.id, row.time, row.endpoint, row.route_seq, fallback, row.served_by, FALLBACK, row.propensity,
            row.entity, row.shape, row.values, rescue.score, rescue.error, rescue.seconds, row.request,
        )
    ]  # fmt: skip
