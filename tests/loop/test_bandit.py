"""A bandit from end to end: real serving processes, labels over /feedback, the controller in the loop, virtual time."""

from __future__ import annotations

import http.client
import io
import json
import random
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import lightgbm
import polars as pl
import pytest

from detent.loop.champion import bundle_folder
from detent.loop.controller import Controller
from detent.loop.imports.import_model import import_model
from detent.loop.releases.explain import explain
from detent.loop.releases.release import release
from detent.loop.releases.traffic import desired_route
from detent.loop.servers.keep_up import keep_up
from detent.loop.servers.serve import OwnGateway, supervise
from detent.loop.workspace import Workspace, open_workspace
from detent.pipeline.executors.local import LocalExecutor
from detent.predictions import read
from detent.registry import aliases, versions
from detent.rollout import store
from detent.store import ledger
from detent.store.clock import VirtualClock

MATURE = timedelta(hours=1)
STEP = timedelta(minutes=10)
ROWS = 120  # of a step
CHANCES = {1: 0.25, 2: 0.55, 3: 0.25}  # that an arm's prediction turns out to be worth something
FLOOR = 500
ROW = {"channel": "web", "category": "shoes", "discount": 0.1, "items": 2, "hour": 9, "weekday": 3}
PLAN = """rollout: {kind: bandit, reward: label, every: 10m, floor: 5%, min_rewards: 50, lasts: 8h}
monitor: {window: 7d, labels_within: 1h, quality: roc_auc, floor: 0.5}
"""


@dataclass
class Town:
    """Callers who ask, and what comes of it later."""

    ws: Workspace
    clock: VirtualClock
    gateway: OwnGateway
    connection: http.client.HTTPConnection
    random: random.Random = field(default_factory=lambda: random.Random(7))
    late: deque[tuple[datetime, str, float]] = field(default_factory=deque)
    served: list[tuple[datetime, int]] = field(default_factory=list)  # time, version of each answer

    def ask(self) -> None:
        """Everybody asks once. What is worth something is known at once, what is not only after 50 minutes."""
        first = len(self.served)
        rows = [{**ROW, "price": 10 + self.random.random() * 90} for _ in range(ROWS)]
        entities = [f"caller {first + number}" for number in range(ROWS)]
        at_once, now = [], self.clock.now()
        for line in self._post("/v1/models/shop:predict", {"inputs": rows, "entities": entities})["predictions"]:
            self.served.append((now, line["version"]))
            worth = float(self.random.random() < CHANCES[line["version"]])
            if worth:
                at_once.append((line["id"], worth))
            else:
                self.late.append((now + timedelta(minutes=50), line["id"], worth))
        self._label(at_once)

    def hear(self) -> None:
        """What became known by now comes back."""
        due = []
        while self.late and self.late[0][0] <= self.clock.now():
            due.append(self.late.popleft()[1:])
        self._label(due)

    def shares(self, since: datetime) -> dict[int, float]:
        """Return each version's share of the answers from a moment on."""
        counts = Counter(version for at, version in self.served if at >= since)
        return {version: count / counts.total() for version, count in counts.items()}

    def _label(self, labels: list[tuple[str, float]]) -> None:
        if labels:
            said = [{"prediction_id": name, "value": value} for name, value in labels]
            assert self._post("/feedback", {"labels": said})["accepted"] == len(labels)

    def _post(self, path: str, body: object) -> dict:
        self.connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = self.connection.getresponse()
        said = json.loads(answer.read())
        assert answer.status == 200, said
        return said


@pytest.fixture
def town(served: Workspace, tmp_path: Path) -> Iterator[Town]:
    """Version 1 is champion; 2 (its graph again) and 3 (other trees) are registered; time is virtual."""
    file = served.folder / "detent.yaml"
    head, tail = file.read_text().split("gate:")
    file.write_text(f"{head}gate: [roc_auc >= 0.5]\nserving: {{endpoint: shop, workers: 2}}\n{PLAN}")
    assert "trigger:" in tail
    made = next(iter(ledger.read(served.db, kind="candidate.made")))
    train = pl.read_parquet(io.BytesIO(served.blobs.get(made.payload["train"])))
    names = [name for name in made.payload["allowed_inputs"] if train.schema[name].is_numeric()]
    data = lightgbm.Dataset(train.select(names).to_numpy(), train["returned"].cast(pl.Float64), feature_name=names)
    lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, 20).save_model(tmp_path / "t.txt")
    graph = bundle_folder(served, versions.get(served.db, served.model, 1)) / "model.onnx"
    served.db.close()

    clock = VirtualClock(tmp_path / "clock", start=datetime.now().astimezone())
    ws = open_workspace(served.folder, clock=clock, actor="controller")
    (tmp_path / "graph.onnx").write_bytes(graph.read_bytes())
    for source in ("graph.onnx", "t.txt"):
        assert import_model(ws, str(tmp_path / source)).version is not None
    keep_up(ws)
    with supervise(ws, port=0, clock_file=clock.path) as supervisor:
        address = urlsplit(supervisor.address)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
        yield Town(ws, clock, OwnGateway(supervisor), connection)
        connection.close()


@pytest.mark.parametrize(
    ("rivals", "first", "most"),
    [
        ((), {1: 5000, 2: 5000}, 9_500),
        # From three arms on the second best gets as much, so that it is soon known which one is best.
        ((3,), {1: 3334, 2: 3333, 3: 3333}, 4_750),
    ],
)
def test_traffic_moves_to_the_arm_that_earns_more_by_matured_rewards_and_every_arm_keeps_its_floor(
    town: Town, executor: LocalExecutor, rivals: tuple[int, ...], first: dict[int, int], most: int
) -> None:
    ws, clock = town.ws, town.clock
    said: list[str] = []
    controller = Controller(ws, town.gateway, executor, tell=said.append)
    rollout = release(ws, town.gateway, 2, rivals=rivals, reason="test")
    assert {arm.version: arm.weight for arm in rollout.arms} == first

    began, weights = clock.now(), []
    while clock.now() - began < timedelta(hours=7):
        town.ask()
        clock.set(clock.now() + STEP)
        town.hear()
        controller.look()
        arms = {arm.version: arm.weight for arm in desired_route(ws).arms}
        weights.append((clock.now(), arms))
        assert sum(arms.values()) == 10_000
        assert min(arms.values()) >= FLOOR
        found = store.latest_look(ws.db, rollout.id)
        assert found is not None
        # Only rows that are an hour old count, though the labels of many younger ones are in.
        old = Counter(version for at, version in town.served if at <= clock.now() - MATURE)
        for reward in found[1].rewards:
            assert reward.matured == reward.rewarded == old[reward.version]
    early = [arms for at, arms in weights if at - began < MATURE]
    assert len(early) == 5
    assert all(arms == first for arms in early)  # by then hundreds of labels had come, all of them 1

    changes = [event.payload["weights"] for event in ledger.read(ws.db, kind="rollout.reweighted")]
    assert changes
    assert sum("From now on:" in line for line in said) == len(changes)
    assert weights[-1][1][2] == most  # all but what the floors take
    lately = town.shares(clock.now() - timedelta(hours=2))
    assert lately[2] == pytest.approx(most / 10_000, abs=0.05)
    assert min(lately.values()) > 0.02
    logged = read(ws.state, columns=("version", "propensity", "time"), where=pl.col("arm") == "live")
    assert Counter(logged["version"]) == Counter(version for _, version in town.served)
    assert logged["propensity"].min() == pytest.approx(min(min(arms.values()) for _, arms in weights[:-1]) / 10_000)

    clock.set(began + timedelta(hours=8))
    controller.look()
    ended = store.get(ws.db, rollout.id)
    assert ended is not None
    assert ended.state == "concluded"
    assert [(arm.version, arm.weight) for arm in desired_route(ws).arms] == [(1, 10_000)]
    assert aliases.all_current(ws.db, ws.model) == {"champion": 1}  # a person deploys the winner
    told = explain(ws, rollout.id)
    assert not told.differs
    assert (f"{rollout.id}: bandit of versions 2 and 3, " in told.lines[0]) == bool(rivals)
    assert any(line.startswith("  reward           version 2: ") for line in told.lines)
    for number in rivals and (2, *rivals):
        named = [line for line in told.lines if f" of version {number} against " in line]
        assert {line.split()[0] for line in named} == {"failures"}
        assert len(named) == len(changes) + 1
    assert sum("Taken again from what was kept: the same." in line for line in told.lines) == len(changes) + 1
