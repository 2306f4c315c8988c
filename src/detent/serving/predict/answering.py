"""What a request is told once none of its rows is open any more."""

from __future__ import annotations

from collections.abc import Sequence

from detent.serving.models.lanes import unasked
from detent.serving.predict.endpoints import BY_RULE, Endpoint
from detent.serving.predict.tickets import Item, Ticket
from detent.serving.problems import Problem, unavailable
from detent.serving.rows.answers import Line
from detent.serving.rows.class_answers import by_name


def answer_of(ticket: Ticket) -> Sequence[Line] | Problem:
    """Return a line for each row, in order; or why there is none, when no row has a score."""
    items, endpoint = ticket.items, ticket.endpoint
    lines = [_line(endpoint, items[0])] if len(items) == 1 else [_line(endpoint, item) for item in items]
    if lines[0].score is not None or any(line.score is not None for line in lines):
        return _with_classes(ticket, lines) if endpoint.classes else lines
    if all(item.outcome is not None and unasked(item.outcome) for item in ticket.items):
        return Problem(
            504,
            "deadline-exceeded",
            what="the answer would have come too late, so it was not computed",
            why=lines[0].error,
            fix="send fewer rows at once, allow more time, or give the server more processes",
        )
    return unavailable(
        "model-failed",
        what="no version could answer",
        why=lines[0].error,
        fix="try again; if it goes on, roll back to a version that answers (`detent rollback`)",
    )


def _line(endpoint: Endpoint, item: Item) -> Line:
    """Return the score of the chosen version, or what stands in for it."""
    outcome = item.outcome
    if outcome is not None and outcome.score is not None:
        return Line(item.id, item.arm.version, outcome.score)
    rescue, fallback = item.rescue, endpoint.route.fallback
    if rescue is not None and rescue.score is not None and fallback is not None:
        return Line(item.id, fallback, rescue.score, fallback=True)
    if item.rule is not None:
        return Line(item.id, BY_RULE, item.rule, fallback=True)
    return Line(item.id, item.arm.version, None, error="" if outcome is None else outcome.error)


def _with_classes(ticket: Ticket, lines: Sequence[Line]) -> list[Line]:
    """Return the lines of an answer with what their versions said of each class."""
    told, versions = [], ticket.endpoint.versions
    for item, line in zip(ticket.items, lines, strict=True):
        version = versions.get(line.version)
        outcome = item.rescue if line.fallback else item.outcome
        told.append(line if version is None else by_name(line, outcome, version.classes))
    return told
