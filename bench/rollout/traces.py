"""Traces of canaries: one row per request, the same for every tool that is to decide about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HOURS = 2
WEIGHT = 0.05
FAILING = 0.002  # share of requests on which a healthy version fails
MEDIAN, SPREAD = 0.010, 0.30  # service time: lognormal, seconds
LIMIT = 0.025  # service-time limit of the endpoint
LABEL_DELAY = 600.0  # seconds until the truth about a request is known
LOSS_SPREAD = 0.30


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is wrong with the canary."""

    name: str
    failing: float = FAILING
    slowdown: float = 1.0
    loss: float = 0.0  # added to the mean loss
    outage: bool = False  # both arms fail 30 % for ten minutes in every hour


CASES = (
    Case(name="canary fails always", failing=1.0),
    Case(name="5x errors", failing=5 * FAILING),
    Case(name="+50 % latency", slowdown=1.5),
    Case(name="silent quality drop (+0.10 loss)", loss=0.10),
    Case(name="nothing wrong"),
    Case(name="nothing wrong, shared outages", outage=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Requests in order. All arrays (requests,)."""

    time: NDArray[np.float64]  # seconds since the canary began
    canary: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    seconds: NDArray[np.float64]  # service time
    loss: NDArray[np.float64]  # known LABEL_DELAY after the request
    loss_of_champion: NDArray[np.float64]  # on the same row, as a shadow would give it


def draw(case: Case, seed: int, *, rate: float) -> Trace:
    """Draw one trace of `rate` requests per second: Poisson arrivals, random assignment."""
    rng = np.random.default_rng(seed)
    time = np.cumsum(rng.exponential(1 / rate, int(rate * 3600 * HOURS)))
    rows = len(time)
    canary = rng.random(rows) < WEIGHT
    failing = np.where(canary, case.failing, FAILING)
    if case.outage:
        failing = np.where(time % 3600 < 600, 0.30, failing)
    base = np.clip(rng.normal(0.4, LOSS_SPREAD, rows), 0, 1)
    return Trace(
        time=time,
        canary=canary,
        failed=rng.random(rows) < failing,
        seconds=rng.lognormal(np.log(MEDIAN), SPREAD, rows) * np.where(canary, case.slowdown, 1.0),
        loss=base + np.where(canary, case.loss, 0.0),
        loss_of_champion=base,
    )
