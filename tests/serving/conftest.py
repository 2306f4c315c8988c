from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import polars as pl
import pytest

from detent.predictions.labels import LabelCounts
from detent.predictions.read import read
from detent.records.prediction import Label
from detent.serving import places
from detent.serving.counts.counters import read_counts, read_numbers
from detent.serving.http.triggers import RecordCall
from detent.serving.workers.supervisor import Supervisor
from detent.serving.workers.worker import Worker

from .builders import ENDPOINT, ROW, World, body, make_bundle


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Versions 1, 2, 3 work; 7 raises on every ROW; 8 was rejected by the gate; 9 has another model's name."""
    folder = tmp_path_factory.mktemp("bundles")
    return {
        **{number: make_bundle(folder / str(number), number) for number in (1, 2, 3)},
        7: make_bundle(folder / "7", 7, raises_from=-10.0),
        8: make_bundle(folder / "8", 8, decision="reject"),
        9: make_bundle(folder / "9", 9, model="boats"),
        10: make_bundle(folder / "10", 10, skew=1e-3),
    }


@pytest.fixture
def world(tmp_path: Path, bundles: dict[int, Path]) -> World:
    """A state folder in which every version is known and nothing is routed."""
    world = World(tmp_path / "state")
    for number, folder in bundles.items():
        world.ship(number, folder)
    return world


@pytest.fixture
def serve() -> Iterator[Callable[..., Supervisor]]:
    """A function that starts real worker processes on a world; they end with the test."""
    running: list[Supervisor] = []

    def start(world: World, **changes: object) -> Supervisor:
        supervisor = Supervisor(world.settings(**changes))
        running.append(supervisor)
        supervisor.start()
        return supervisor

    yield start
    for supervisor in running:
        supervisor.stop()


def until(condition: Callable[[], object], timeout: float = 30.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


class Load:
    """Callers that ask for predictions without a pause, each on its own connection, until the block ends."""

    def __init__(self, address: str, callers: int = 4, *, fresh: bool = False) -> None:
        self.url = f"{address}/v1/models/{ENDPOINT}:predict"
        self.statuses: Counter[int | str] = Counter()
        self.versions: Counter[int] = Counter()
        self.ids: list[str] = []
        self.after: dict[str, Counter[int]] = {}  # versions that answered between `mark(name)` and the next mark
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(callers)]
        self._mark = ""
        self._fresh = fresh  # a new connection for each request

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        until(lambda: self.total > 20)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @property
    def total(self) -> int:
        return sum(self.statuses.values())

    def mark(self, name: str) -> None:
        """From now on requests that begin, and that end before the next mark, are also counted under a name."""
        with self._lock:
            self.after[name] = Counter()
        self._mark = name

    def more(self, count: int) -> None:
        """Wait until so many more requests are answered."""
        goal = self.total + count
        until(lambda: self.total >= goal)

    def _call(self) -> None:
        client = httpx.Client(timeout=30.0, headers={"connection": "close"} if self._fresh else {})
        number = 0
        while not self._ended.is_set():
            number += 1
            mark = self._mark
            try:
                answer = client.post(self.url, json={"inputs": [{**ROW, "origin": f"{id(self)}-{number}"}]})
            except httpx.HTTPError as error:
                with self._lock:
                    self.statuses[type(error).__name__] += 1
                client.close()
                client = httpx.Client(timeout=30.0)
                continue
            with self._lock:
                self.statuses[answer.status_code] += 1
                for line in answer.json().get("predictions", []):
                    self.versions[line["version"]] += 1
                    self.ids.append(line["id"])
                    if mark and mark == self._mark:
                        self.after[mark][line["version"]] += 1
        client.close()


class Local:
    """One worker's application in this very process, asked without a socket; every part is the real one."""

    def __init__(self, world: World, record_call: RecordCall | None = None, **changes: object) -> None:
        listener = world.settings(**changes).worker(0, 0)
        self.worker = Worker(listener, locate=None, record_labels=self._record, record_call=record_call)
        self.labels: dict[str, float] = {}
        self.fails_with: Exception | None = None
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(self.worker.parts.app), base_url="http://local")
        self.world = world
        self.follow()

    def follow(self) -> None:
        """Load what the routes name, as the worker's background task does."""
        self._runner.run(self.worker.follow())

    def ask(self, method: str, path: str, content: bytes = b"", **headers: str) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, content=content, headers=headers))

    def predict(self, *rows: object, **more: object) -> httpx.Response:
        return self.ask("POST", f"/v1/models/{ENDPOINT}:predict", body(*rows, **more))

    def predict_at_once(self, rows: Sequence[object], **headers: str) -> list[httpx.Response]:
        """Send a request for each row before the first one is answered."""

        async def ask() -> list[httpx.Response]:
            path = f"/v1/models/{ENDPOINT}:predict"
            return await asyncio.gather(*[self._client.post(path, content=body(row), headers=headers) for row in rows])

        return self._runner.run(ask())

    def log(self) -> pl.DataFrame:
        """The prediction log as its readers see it, after the shadows are done."""
        until(lambda: not any(slot["shadow_pending"] for slot in self.numbers().values()))
        return read(self.world.state)

    def counts(self) -> dict[tuple[int, str], tuple[int, int]]:
        until(lambda: not any(slot["shadow_pending"] for slot in self.numbers().values()))
        counts = read_counts(places.counter_files(self.world.state))
        return {(count.version, count.arm): (count.requests, count.errors) for count in counts}

    def numbers(self) -> dict[int, dict[str, int]]:
        return read_numbers(places.counter_files(self.world.state))

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()
        self.worker.close()

    def _record(self, labels: Sequence[Label]) -> LabelCounts:
        if self.fails_with is not None:
            raise self.fails_with
        new = sum(label.prediction_id not in self.labels for label in labels)
        self.labels.update({label.prediction_id: label.value for label in labels})
        return LabelCounts(new=new, duplicate=len(labels) - new, corrected=0)


@pytest.fixture
def local(world: World) -> Iterator[Callable[..., Local]]:
    """A function that starts an application in this process."""
    running: list[Local] = []

    def start(record_call: RecordCall | None = None, **changes: object) -> Local:
        running.append(Local(world, record_call, **changes))
        return running[-1]

    yield start
    for app in running:
        app.close()
