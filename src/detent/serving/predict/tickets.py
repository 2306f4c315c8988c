"""One predict request on its way through the gateway, and its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from detent.records.route import Arm
from detent.serving.counts.counters import LIVE
from detent.serving.models.scoring import Outcome
from detent.serving.predict.endpoints import Endpoint
from detent.serving.problems import Problem
from detent.serving.rows.answers import Line
from detent.serving.rows.validate import Row, RowReader

Done = Callable[["Ticket", Sequence[Line] | Problem], None]  # told the answer, or why there is none; called once


class Ticket(msgspec.Struct):
    """A request that was read: it is answered when none of its rows is open any more."""

    endpoint: Endpoint
    deadline: float  # `perf_counter()` after which nobody waits for the answer; rows are not scored after it
    request: str  # what the caller calls its request; "" when it has no name for it
    done: Done
    asked: Any = None  # what whoever is told needs besides
    arm: str = LIVE  # FORCED when the caller named the version
    now: datetime = datetime.min  # when it was accepted
    items: Sequence[Item] = ()
    open: int = 0  # rows without a final outcome
    unlogged: bool = False  # the log is full: this was answered, and it is not in there
    gone: bool = False  # its sender has hung up: nobody waits for the answer


class Item(msgspec.Struct):
    """One row."""

    ticket: Ticket
    id: str  # prediction id
    entity: str
    arm: Arm
    reader: RowReader  # of the signature that `row` was read with
    row: Row
    outcome: Outcome | None = None  # of the chosen version
    rescue: Outcome | None = None  # of the fallback, when it was asked
    rule: float | None = None  # the score that was set for rows that no version could answer


def is_gone(item: Item) -> bool:
    """Return whether the sender of a row has hung up."""
    return item.ticket.gone
