"""A drill: how fast is the previous version back, and who is hurt, when it has to be?

It runs on serving processes of its own, on a copy of the routes, with the project's real bundles: production is not
touched, and nothing of it lands in its log or counters. What was measured is an event in the ledger.
"""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from detent.bundle.codec import golden_from_json, signature_from_json
from detent.errors import RefusedError
from detent.loop.champion import champion_version
from detent.loop.releases.traffic import ALL, previous_champion, unpack
from detent.loop.workspace import Workspace
from detent.records.event import Fact
from detent.records.route import Arm, Route
from detent.registry import versions
from detent.serving.models.locate import Located, write_index
from detent.serving.pages.routes import RoutePage
from detent.serving.places import route_page
from detent.serving.workers.settings import SupervisorSettings
from detent.serving.workers.supervisor import Supervisor

CONNECTIONS = 8
_TIMEOUT = 30.0  # seconds that a caller waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """What a rollback cost. Seconds count from the moment at which it was ordered."""

    left: int  # version that answered before
    back_to: int
    processes: int
    requests: int
    failed: int  # answers other than 200, and requests without an answer
    first: float  # until the first answer of the version before
    last: float  # until the last answer of the version that was left


@dataclass(slots=True)
class _Answer:
    began: float  # monotonic seconds
    ended: float
    version: int | None  # None: it failed


def drill_rollback(ws: Workspace, *, requests: int = 2000, workers: int = 0) -> Drill:
    """Go from the champion back to the version before it under load; half of the requests come before, half after.

    Raises:
        RefusedError: there is no version before the champion, or it wants other inputs.
        BusyError: the serving processes do not start.
    """
    champion, before = champion_version(ws), previous_champion(ws)
    if champion is None or before is None:
        raise RefusedError(
            what="there is nothing to go back to",
            why="a drill needs a champion and a champion before it that was not rolled back itself",
            fix="deploy a second version first: `detent status` lists them",
        )
    numbers = (champion.number, before)
    folders = {number: unpack(ws, versions.get(ws.db, ws.model, number)) for number in numbers}
    bodies = _bodies([folders[number] for number in numbers])
    with tempfile.TemporaryDirectory(prefix="detent-drill-") as scratch:
        state = Path(scratch)
        entries = {
            f"{ws.model}/{number}": Located(
                digest=versions.get(ws.db, ws.model, number).digest, folder=str(folders[number])
            )
            for number in numbers
        }
        write_index(state, entries)
        page = RoutePage(route_page(state))
        page.write([_route(ws, champion.number, numbers, seq=1)])
        endpoint = ws.project.serving.endpoint
        settings = SupervisorSettings(
            state=state, endpoints=(endpoint,), public_key=ws.public_key, workers=workers or ws.project.serving.workers
        )
        with Supervisor(settings) as supervisor:
            ordered: list[float] = []

            def roll_back() -> None:
                ordered.append(time.monotonic())
                page.write([_route(ws, before, numbers, seq=2)])

            answers = _ask(supervisor.address, f"/v1/models/{endpoint}:predict", bodies, requests, roll_back)
            done = _judged(answers, ordered[0], numbers, len(supervisor.alive()))
    ws.record(_fact(ws, done))
    return done


def _route(ws: Workspace, number: int, loaded: Sequence[int], *, seq: int) -> Route:
    return Route(
        endpoint=ws.project.serving.endpoint,
        model=ws.model,
        seq=seq,
        arms=(Arm(version=number, weight=ALL),),
        shadows=(),
        fallback=None,
        loaded=tuple(loaded),
        salt="drill",
    )


def _bodies(folders: Sequence[Path]) -> list[bytes]:
    """Return requests made of the champion's golden rows, which both versions must be able to read."""
    signatures = {signature_from_json((folder / "signature.json").read_bytes()).inputs for folder in folders}
    if len(signatures) > 1:
        raise RefusedError(
            what="the two versions want different inputs",
            why="one stream of requests can't be sent to both",
            fix="drill with a champion and a predecessor of the same signature",
        )
    golden = golden_from_json((folders[0] / "golden.json").read_bytes())
    rows = [dict(zip(golden.rows, values, strict=True)) for values in zip(*golden.rows.values(), strict=True)]
    return [msgspec.json.encode({"inputs": [row]}) for row in rows]


def _ask(
    address: str, path: str, bodies: Sequence[bytes], requests: int, half_way: Callable[[], None]
) -> list[_Answer]:
    """Send the requests over some connections at once; call `half_way` when half of them are answered."""
    answers: list[_Answer] = []
    turn, lock = iter(range(requests)), threading.Lock()
    reached = threading.Event()

    def call() -> None:
        line = http.client.HTTPConnection(address.removeprefix("http://"), timeout=_TIMEOUT)
        while True:
            with lock:
                number = next(turn, None)
            if number is None:
                line.close()
                return
            began = time.monotonic()
            version = _version(line, path, bodies[number % len(bodies)])
            with lock:
                answers.append(_Answer(began, time.monotonic(), version))
                if len(answers) >= requests // 2:
                    reached.set()

    threads = [threading.Thread(target=call, daemon=True) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    reached.wait()
    half_way()
    for thread in threads:
        thread.join()
    return answers


def _version(line: http.client.HTTPConnection, path: str, body: bytes) -> int | None:
    try:
        line.request("POST", path, body, {"content-type": "application/json"})
        answer = line.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException):
        line.close()
        return None
    return msgspec.json.decode(text)["predictions"][0]["version"] if answer.status == 200 else None


def _judged(answers: Sequence[_Answer], ordered: float, numbers: tuple[int, int], processes: int) -> Drill:
    left, back_to = numbers
    after = [one for one in answers if one.ended > ordered]
    return Drill(
        left=left,
        back_to=back_to,
        processes=processes,
        requests=len(answers),
        failed=sum(one.version is None for one in answers),
        first=min((one.ended - ordered for one in after if one.version == back_to), default=0.0),
        last=max((one.ended - ordered for one in after if one.version == left), default=0.0),
    )


def _fact(ws: Workspace, drill: Drill) -> Fact:
    return Fact(
        kind="drill.rollback",
        subject=f"endpoint:{ws.project.serving.endpoint}",
        actor=ws.actor,
        payload={"left": drill.left, "back_to": drill.back_to, "requests": drill.requests, "failed": drill.failed},
        observed={
            "processes": drill.processes,
            "first_ms": round(drill.first * 1000, 2),
            "last_ms": round(drill.last * 1000, 2),
        },
    )
