"""Open loop: requests leave at times fixed before, however long answers take. Run on core 1: `generator.py PLAN_JSON`.

A request waits for a free connection; its latency counts from its planned time. Who waited a second gives up, and
each request says how much of that is left (`x-request-timeout-ms`; of these servers only detent reads it). Arrivals
are random (Poisson). The loop never sleeps, because timers of an event loop are a millisecond coarse.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contestants import ALL
from questions import Questions, version_in

PATIENCE = 1.0  # seconds after its planned time in which an answer is of use
STEP = 50  # milliseconds: how exactly a request says what is left of them
LEFT = b"left-of-it"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send."""

    contestant: str
    model: str  # folder
    port: int
    rate: float  # requests/s
    seconds: float  # 0: until stdin says something
    connections: int
    rows: int = 1  # of each request
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back."""

    sent: float  # requests/s that were due
    good: float  # right answers within a second, per second
    p50: float  # us from the planned time, of answers with status 200
    p99: float
    p999: float
    lag: float  # us, p99: how late the generator itself was
    counts: dict[str, int]  # by status, or by what went wrong
    versions: dict[int, tuple[float, float]]  # of detent: monotonic time of its first and last answer


class Connection(asyncio.Protocol):
    """Asks one thing at a time."""

    def __init__(self, generator: Generator) -> None:
        self.generator, self.buffer = generator, b""
        self.asked: tuple[int, float] | None = None  # body and planned time
        self.transport: Any = None  # uvloop's transports are no subclass of asyncio's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.generator.free.append(self)

    def ask(self, at: int, planned: float) -> None:
        self.asked = at, planned
        left = int(1_000 * (PATIENCE - time.monotonic() + planned)) // STEP * STEP
        self.transport.write(self.generator.requests[at].replace(LEFT, b"%d" % left, 1))

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data if self.buffer else data
        end = data.find(b"\r\n\r\n")
        found = LENGTH.search(data, 0, end + 2) if end > 0 else None
        if found is None or len(data) < end + 4 + int(found[1]):
            self.buffer = data
            return
        self.buffer = b""
        if self.asked is not None:
            self.generator.answers.append((*self.asked, time.monotonic(), data))
        self.asked = None
        self.generator.free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self.asked is not None:
            self.generator.lost["broken"] += 1
        elif self in self.generator.free:
            self.generator.free.remove(self)
        self.generator.reopen()


class Generator:
    """Sends, and keeps every answer until the end."""

    def __init__(self, plan: Plan, questions: Questions) -> None:
        self.plan, self.questions = plan, questions
        self.requests = [
            questions.request(at, **{"x-request-timeout-ms": LEFT.decode()}) for at in range(len(questions.bodies))
        ]
        self.free: deque[Connection] = deque()
        self.waiting: deque[tuple[int, float]] = deque()
        self.answers: list[tuple[int, float, float, bytes]] = []  # body, planned, finished, what came
        self.lags: list[float] = []
        self.lost: Counter[str] = Counter()
        self.random = random.Random(plan.seed)
        self.opening: set[asyncio.Task[None]] = set()
        self.planned = self.end = self.began = 0.0
        self.done = asyncio.Event()
        self.ended = False

    async def run(self) -> Outcome:
        loop = asyncio.get_running_loop()
        for _ in range(self.plan.connections):
            await self._open()
        self.began = self.planned = time.monotonic()
        self.end = self.began + (self.plan.seconds or 1e9)
        if not self.plan.seconds:
            loop.add_reader(0, self._stop)
        loop.call_soon(self._tick)
        await self.done.wait()
        return self._outcome()

    def _stop(self) -> None:
        asyncio.get_running_loop().remove_reader(0)
        self.end = time.monotonic()

    def _tick(self) -> None:
        now = time.monotonic()
        limit = min(now, self.end)
        while self.planned <= limit:
            self.waiting.append((len(self.lags) % len(self.requests), self.planned))
            self.lags.append(now - self.planned)
            self.planned += self.random.expovariate(self.plan.rate)
        while self.waiting:
            at, planned = self.waiting[0]
            if now - planned > PATIENCE:
                self.lost["gave up"] += 1
            elif self.free:
                self.free.popleft().ask(at, planned)
            else:
                break
            self.waiting.popleft()
        idle = len(self.free) == self.plan.connections and not self.waiting
        if now > self.end and (idle or now > self.end + 3 * PATIENCE):
            self.ended = True
            self.done.set()
        else:
            asyncio.get_running_loop().call_soon(self._tick)

    def reopen(self) -> None:
        """Replace a connection that was lost."""
        if not self.ended:
            task = asyncio.get_running_loop().create_task(self._open())
            self.opening.add(task)
            task.add_done_callback(self.opening.discard)

    async def _open(self) -> None:
        while not self.ended:
            try:
                await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self), "127.0.0.1", self.plan.port
                )
                return
            except OSError:
                self.lost["connection refused"] += 1
                await asyncio.sleep(0.01)

    def _outcome(self) -> Outcome:
        seconds = min(self.end, self.planned) - self.began
        counts, good, waited = Counter(self.lost), 0, []
        versions: dict[int, tuple[float, float]] = {}
        for at, planned, finished, data in self.answers:
            status, answer = data[9:12].decode(), data[data.find(b"\r\n\r\n") + 4 :]
            right = status != "200" or self.questions.is_right(at, answer)
            counts[status if right else "wrong"] += 1
            if status == "200":
                good += right and finished - planned <= PATIENCE
                waited.append(finished - planned)
                version = version_in(answer.decode())
                versions[version] = versions.get(version, (finished, 0.0))[0], finished
        left = len(self.lags) - sum(counts.values()) + counts["connection refused"]  # no answer when the run ended
        return Outcome(
            sent=len(self.lags) / seconds,
            good=good / seconds,
            p50=_quantile(waited, 0.5),
            p99=_quantile(waited, 0.99),
            p999=_quantile(waited, 0.999),
            lag=_quantile(self.lags, 0.99),
            counts={**counts, **({"no answer": left} if left else {})},
            versions=versions,
        )


def _quantile(values: list[float], share: float) -> float:
    """Microseconds that this share of the values does not exceed."""
    ordered = sorted(values)
    return 1e6 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    contestant = next(one for one in ALL if one.name == plan.contestant)
    questions = Questions(contestant, Path(plan.model), plan.rows)
    import uvloop  # in the generator's own environment; whoever only wants the plan does without it

    outcome = uvloop.run(_run(plan, questions))
    print(json.dumps(asdict(outcome)))


async def _run(plan: Plan, questions: Questions) -> Outcome:
    return await Generator(plan, questions).run()


if __name__ == "__main__":
    main()
