"""One predict request on its way through the gateway, and its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from detent.records.route import Arm
from detent.serving.answers import Line
from detent.serving.endpoints import Endpoint
from detent.serving.problems import Problem
from detent.serving.scoring import Outcome
from detent.serving.validate import Row, RowReader

Done = Callable[[Sequence[Line] | Problem], None]  # told the answer, or why there is none; called once


@dataclass(frozen=True, slots=True)
class Caller:
    """Who waits for an answer."""

    deadline: float  # `perf_counter()` after which nobody does
    request: str  # what the caller calls its request; "" when it has no name for it


@dataclass(slots=True)
class Ticket:
    """A request that was read: it is answered when none of its rows is open any more."""

    endpoint: Endpoint
    now: datetime
    caller: Caller
    done: Done
    items: Sequence[Item] = ()
    open: int = 0  # rows without a final outcome


@dataclass(slots=True)
class Item:
    """One row."""

    ticket: Ticket
    id: str  # prediction id
    entity: str
    arm: Arm
    reader: RowReader  # of the signature that `row` was read with
    row: Row
    inputs: Any  # the row as it is logged: a struct or a mapping by field name
    outcome: Outcome | None = None  # of the chosen version
    rescue: Outcome | None = None  # of the fallback, when it was asked
