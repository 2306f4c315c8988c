"""May this request come in now? Asked before its body is looked at, so that a refusal costs next to nothing.

In this order: the key, the requests that are open here, the time that the answer would take, the limits of the key.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from detent.serving.counts.counters import Counters
from detent.serving.models.lanes import LONGEST_SECONDS, Lane
from detent.serving.pages.keys import PREDICT, TEST, Keys
from detent.serving.predict.endpoints import Endpoint
from detent.serving.problems import Problem

MOST_OPEN = 1024  # requests of one process that wait for their answers
_ROOM = (
    0.75  # share of the time that a caller has which may pass in the queue: the estimate is one, and the answer is due
)

Leave = Callable[[], None]


def nothing() -> None:
    """Nobody counts this request."""


class Door:
    """Lets predict requests in, one process' worth of them."""

    def __init__(
        self, keys: Keys, counters: Counters, *, timeout: float = LONGEST_SECONDS, most_open: int = MOST_OPEN
    ) -> None:
        """`timeout` (seconds): the longest that a caller may wait; `most_open`: requests that may do so at once."""
        self.timeout = timeout
        self._keys, self._counters, self._most = keys, counters, most_open

    def enter(
        self, endpoint: Endpoint, header: bytes | None, seconds: float, now: float, opened: int, ahead: float = 0.0
    ) -> Leave:
        """Let a request in; what is returned is to be called once, when it was answered.

        Args:
            endpoint: where it asks.
            header: its Authorization header.
            seconds: how long its sender waits for the answer.
            now: `perf_counter()`.
            opened: requests that wait for their answers, this one included.
            ahead: seconds that this process needs for those before it.

        Raises:
            Problem: 401 or 403 without a fitting key, 429 above a limit of the key, 503 when this process has enough
                to do. 429 and 503 say when to come again.
        """
        grant = self._keys.grant(header)
        if grant is None or PREDICT not in grant.scopes or grant.endpoints:
            grant = self._keys.authorise(header, PREDICT, endpoint.route.endpoint)
        meter = grant.meter
        if opened > self._most:
            raise self._shed(f"{self._most:,} requests wait for their answers, and no more may", 0.0)
        if ahead > _ROOM * seconds:
            raise self._late(ahead, seconds)
        for lane in endpoint.chosen:
            if not lane.busy:
                break
        else:
            self._look(endpoint.chosen, seconds)
        if meter is None:
            return nothing
        wait = meter.take(now)
        if wait:
            raise self._limited("rate-limited", "the key may not send requests that fast", wait)
        if not meter.enter():
            raise self._limited("too-many-open", "the key may not have more requests open at once", 0.0)
        return meter.leave

    def admit_tester(self, header: bytes | None) -> None:
        """Let a request choose its version.

        Raises:
            Problem: 403 for a key that is not for that.
        """
        self._keys.authorise(header, TEST)

    def _look(self, lanes: tuple[Lane[Any], ...], seconds: float) -> None:
        """Refuse a request that would wait too long, whichever version it is meant for."""
        if not lanes:
            return  # none is ready: whoever reads the request says so
        wait = min(lane.wait for lane in lanes)
        if wait > _ROOM * seconds:
            raise self._late(wait, seconds)

    def _late(self, wait: float, seconds: float) -> Problem:
        return self._shed(f"the answer would take about {wait:.2g} s, and it has {seconds:g} s", wait)

    def _shed(self, why: str, seconds: float) -> Problem:
        self._counters.add("shed")
        return Problem(
            503,
            "overloaded",
            what="the server has more to do than it can",
            why=why,
            fix="come again after the time in Retry-After, or give the server more processes",
            headers=(come_again(seconds),),
        )

    def _limited(self, kind: str, why: str, seconds: float) -> Problem:
        self._counters.add("limited")
        return limited(kind, why, seconds)


def limited(kind: str, why: str, seconds: float) -> Problem:
    """Build a 429 for a limit of a key."""
    return Problem(
        429,
        kind,
        what="too many requests with this key",
        why=why,
        fix="come again after the time in Retry-After, or ask for a higher limit",
        headers=(come_again(seconds),),
    )


def come_again(seconds: float) -> tuple[bytes, bytes]:
    """Return the header that says when; up to twice as long by chance, so that callers do not come back together."""
    return b"retry-after", b"%d" % math.ceil(seconds + random.random() * (1.0 + seconds))  # noqa: S311
