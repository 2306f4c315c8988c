"""What a model said about one row."""

from __future__ import annotations

import msgspec

MAX_ERROR = 300  # characters of a failure that are kept


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What a model said about one row."""

    score: float | None  # None: it failed
    error: str  # "" when it answered
    seconds: float  # of the call that it was scored in: what its caller waited for, however many rows shared it
    classes: tuple[float, ...] = ()  # probabilities of the version's classes; `score` is the largest of them
