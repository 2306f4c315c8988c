"""What one turn of the event loop adds to the counters."""

from __future__ import annotations

from collections.abc import Sequence

from detent.serving.counts.counters import FALLBACK, Counters
from detent.serving.models.lanes import unasked
from detent.serving.predict.tickets import Item, Ticket


def count_rows(tickets: Sequence[Ticket], counters: Counters) -> None:
    """Count every row; the rows of one call took the same time and are counted together."""
    endpoint, way, arm = None, "", None
    key, seconds, times = ("", 0, ""), 0.0, 0  # of equal rows one after the other
    for ticket in tickets:
        for item in ticket.items:
            outcome = item.outcome
            if outcome is None or outcome.score is None:
                _count_failed(ticket, item, counters)
                continue
            if item.arm is not arm or ticket.endpoint is not endpoint or ticket.arm is not way:
                if times:
                    counters.count(key, seconds, times)
                arm, endpoint, way = item.arm, ticket.endpoint, ticket.arm
                key, seconds, times = (endpoint.route.endpoint, arm.version, way), outcome.seconds, 0
            elif outcome.seconds != seconds:
                counters.count(key, seconds, times)
                seconds, times = outcome.seconds, 0
            times += 1
    if times:
        counters.count(key, seconds, times)


def _count_failed(ticket: Ticket, item: Item, counters: Counters) -> None:
    """Count a row that the chosen version has no score for, and what was asked in its place."""
    outcome, rescue, route = item.outcome, item.rescue, ticket.endpoint.route
    if outcome is None or unasked(outcome):
        return
    saved = item.rule is not None or (rescue is not None and rescue.score is not None)
    key = (route.endpoint, item.arm.version, ticket.arm)
    counters.count(key, outcome.seconds, error=True, fallback=saved)
    if rescue is not None and route.fallback is not None:
        key = (route.endpoint, route.fallback, FALLBACK)
        counters.count(key, rescue.seconds, error=rescue.score is None)
