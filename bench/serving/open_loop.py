"""Open loop: 50, 80 and 95 % of what the closed loop reached, and twice the capacity."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import closed
from environments import python_of
from generator import Outcome, Plan
from questions import Questions
from server import GENERATOR_CORE, Server

SHARES = (0.5, 0.8, 0.95)
OVERLOAD = 2.0
OVERLOAD_ROWS = 20  # of each request: one generator can't send single rows at twice the rate of the fastest servers
CONNECTIONS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """One rate of one life of a server."""

    contestant: str
    model: str
    share: float  # of the capacity
    rows: int  # of each request
    repeat: int
    rate: float  # requests/s that were planned
    sent: float
    good: float  # right answers within a second of the planned time, per second
    p50: float  # us from the planned time, of answers with status 200
    p99: float
    p999: float
    lag: float  # us, p99: how late the generator was
    counts: dict[str, int]
    cpu: float  # us of the server's CPU per answer
    load: float
    void: str


def measure(server: Server, plan: Plan, *, cache: Path, share: float, repeat: int) -> Open:
    before = server.cpu()
    with generating(plan, cache) as process:
        outcome = heard(process)
    answers = sum(number for name, number in outcome.counts.items() if name.isdigit())
    return Open(
        contestant=plan.contestant,
        model=Path(plan.model).name,
        share=share,
        rows=plan.rows,
        repeat=repeat,
        rate=plan.rate,
        sent=outcome.sent,
        good=outcome.good,
        p50=outcome.p50,
        p99=outcome.p99,
        p999=outcome.p999,
        lag=outcome.lag,
        counts=outcome.counts,
        cpu=1e6 * (server.cpu() - before) / max(1, answers),
        load=os.getloadavg()[0],
        void="wrong answers" if outcome.counts.get("wrong") else "",
    )


def capacity(questions: Questions, server: Server, work: Path, *, seconds: float) -> float:
    """Return requests/s with 64 connections in a closed loop."""
    point = closed.measure(questions, server, work, model="", connections=64, seconds=seconds, repeat=0)
    return point.rate


@contextlib.contextmanager
def generating(plan: Plan, cache: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a generator on core 1."""
    script = Path(__file__).parent / "generator.py"
    command = ["taskset", "-c", GENERATOR_CORE, str(python_of(cache, "raw")), str(script), json.dumps(asdict(plan))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def heard(process: subprocess.Popen[str]) -> Outcome:
    """End a generator that waits for that, and return what it found."""
    said, _ = process.communicate("stop\n")
    if process.returncode:
        raise SystemExit(f"the generator ended with {process.returncode}")
    found = json.loads(said)
    found["versions"] = {int(version): tuple(times) for version, times in found["versions"].items()}
    return Outcome(**found)
