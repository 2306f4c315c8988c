"""detent only: versions are swapped and workers are killed under load, and every request is counted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import contestants
from contestants import Contestant, Place
from generator import Outcome, Plan
from open_loop import generating, heard
from questions import Questions
from server import Server, running

GAP = 0.5  # seconds between swaps, and before the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Swaps:
    """Versions swapped one after the other under open-loop load; each is loaded for its swap."""

    swaps: int
    rate: float
    requests: int
    failed: int
    counts: dict[str, int]
    prepare: list[float]  # ms from the call until every worker holds the version, under load on one core
    promote: list[float]  # ms from the change of the route until the last answer by the version before
    p50: float
    p999: float
    load: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kills:
    """SIGKILL to one of two workers, several times, under open-loop load."""

    kills: int
    rate: float
    connections: int
    requests: int
    failed: int
    counts: dict[str, int]
    back: list[float]  # ms until a new process stands in the place of the killed one
    p50: float
    p999: float
    load: float


def swap(cache: Path, contestant: Contestant, *, port: int, swaps: int, rate: float, requests: int) -> Swaps:
    """Swap versions, evenly over as many requests as are wanted."""
    place = contestants.place(cache, contestant, "m1", port)
    plan = _plan(place, contestant, rate=rate, connections=64)
    with _life(contestant, place, workers=1) as server, generating(plan, cache) as process:
        began = time.monotonic()
        prepare, changed = [], []
        time.sleep(GAP)
        for _ in range(swaps):
            taken, moment = server.say("next").split()
            prepare.append(float(taken))
            changed.append(float(moment))
            time.sleep(GAP)
        time.sleep(max(0.0, 1.0 + requests / rate - (time.monotonic() - began)))
        outcome = heard(process)
    late = [outcome.versions.get(number + 1, (0.0, 0.0))[1] for number in range(swaps)]
    return Swaps(
        swaps=swaps,
        rate=rate,
        requests=_requests(outcome),
        failed=_failed(outcome),
        counts=outcome.counts,
        prepare=prepare,
        promote=[1000 * max(0.0, last - moment) for last, moment in zip(late, changed, strict=True)],
        p50=outcome.p50,
        p999=outcome.p999,
        load=os.getloadavg()[0],
    )


def kill(cache: Path, contestant: Contestant, *, port: int, kills: int, rate: float) -> Kills:
    """Kill the first of two workers, wait until there are two again, and so on."""
    place = contestants.place(cache, contestant, "m1", port)
    plan = _plan(place, contestant, rate=rate, connections=32)
    with _life(contestant, place, workers=2) as server, generating(plan, cache) as process:
        back: list[float] = []
        time.sleep(2 * GAP)
        for _ in range(kills):
            before = json.loads(server.say("pids"))
            began = time.monotonic()
            os.kill(before[0], signal.SIGKILL)
            while len({*json.loads(server.say("pids"))} - {before[0]}) < 2 and time.monotonic() - began < 30:
                time.sleep(0.005)
            back.append(1000 * (time.monotonic() - began))
            time.sleep(6 * GAP)  # until it has loaded and answers
        outcome = heard(process)
    return Kills(
        kills=kills,
        rate=rate,
        connections=plan.connections,
        requests=_requests(outcome),
        failed=_failed(outcome),
        counts=outcome.counts,
        back=back,
        p50=outcome.p50,
        p999=outcome.p999,
        load=os.getloadavg()[0],
    )


def told(times: list[float]) -> str:
    return f"{statistics.median(times):.1f} (at most {max(times):.1f})"


def _plan(place: Place, contestant: Contestant, *, rate: float, connections: int) -> Plan:
    return Plan(
        contestant=contestant.name,
        model=str(place.model),
        port=place.port,
        rate=rate,
        seconds=0.0,
        connections=connections,
    )


def _life(contestant: Contestant, place: Place, *, workers: int) -> contextlib.AbstractContextManager[Server]:
    questions = Questions(contestant, place.model)
    return running(contestant, place, lambda: questions.first(place.port), workers=workers)


def _requests(outcome: Outcome) -> int:
    return sum(number for name, number in outcome.counts.items() if name != "connection refused")


def _failed(outcome: Outcome) -> int:
    return _requests(outcome) - outcome.counts.get("200", 0)
