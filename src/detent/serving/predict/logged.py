"""What one turn of the event loop leaves in the log: a row per prediction, and one more for each version besides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from detent.serving.assign import BUCKETS
from detent.serving.counts.counters import FALLBACK
from detent.serving.logs.log import PredictionLog
from detent.serving.models.lanes import unasked
from detent.serving.predict.endpoints import BY_RULE
from detent.serving.predict.tickets import Item, Ticket
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
    endpoint, name, seq = None, "", 0
    arm, version, chance = None, 0, 0.0
    reader, mask, shape = None, None, 0
    everything, shapes, masks_entities = log.everything, log.shapes, log.shapes.masks_entities
    for ticket in tickets:  # most of a turn came at the same moment to the same endpoint
        if ticket.now is not now:
            now, time = ticket.now, microseconds(ticket.now)
        if ticket.endpoint is not endpoint:
            endpoint = ticket.endpoint
            name, seq = endpoint.route.endpoint, endpoint.route.seq
        way, request = ticket.arm, ticket.request
        for item in ticket.items:
            outcome = item.outcome
            if outcome is None:
                continue
            score = outcome.score
            if score is None and unasked(outcome):
                continue
            if not everything and not log.wants(item.id):
                left_out += 1
                continue
            if item.arm is not arm:
                arm = item.arm
                version, chance = arm.version, arm.weight / BUCKETS
            if item.reader is not reader:
                reader = item.reader
                found = shapes.of(reader)
                mask, shape = found.mask, found.number
            values = item.row if mask is None else mask(item.row)
            entity = shapes.entity(ticket.endpoint.entity, item.entity) if masks_entities else item.entity
            served_by = version if score is not None else _served_by(item)
            row = LogRow(
                item.id, time, name, seq, version, served_by, way, chance,
                entity, shape, values, score, outcome.error, outcome.seconds, request,
                outcome.classes,
            )  # fmt: skip
            rows.append(row)
            if score is None:
                rows += _stand_ins(item, row)
    return rows, left_out


def _served_by(item: Item) -> int | None:
    if item.rescue is not None and item.rescue.score is not None:
        return item.ticket.endpoint.route.fallback
    return None if item.rule is None else BY_RULE


def _stand_ins(item: Item, row: LogRow) -> list[LogRow]:
    """Return what was asked besides, because the chosen version failed: the fallback, and the score that is set."""
    rows: list[LogRow] = []
    rescue, fallback = item.rescue, item.ticket.endpoint.route.fallback
    if rescue is not None and fallback is not None:
        rows.append(
            LogRow(
                row.id, row.time, row.endpoint, row.route_seq, fallback, row.served_by, FALLBACK, row.propensity,
                row.entity, row.shape, row.values, rescue.score, rescue.error, rescue.seconds, row.request,
                rescue.classes,
            )
        )  # fmt: skip
    if item.rule is not None:
        rows.append(replace(row, version=BY_RULE, arm=FALLBACK, score=item.rule, error="", seconds=0.0))
    return rows
