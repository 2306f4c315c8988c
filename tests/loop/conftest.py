"""A small project and a state in which its first version serves, made once and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from detent.cli.scaffold import scaffold
from detent.loop.hosts.open_host import open_host
from detent.loop.hosts.publish import publish
from detent.loop.releases.release import release
from detent.loop.releases.traffic import desired_route
from detent.loop.servers.keep_up import keep_up
from detent.loop.servers.serve import NeighbourGateway, supervise
from detent.loop.train import train
from detent.loop.workspace import ServingHost, Workspace, open_workspace
from detent.pipeline.executors.local import LocalExecutor
from detent.records.run import RunRequest
from detent.serving.places import prediction_key
from detent.serving.workers.supervisor import Supervisor

REQUEST = RunRequest(reason="manual", detail="Asked for by a test.", asked_at="2025-01-01T00:00:00+00:00", actor="test")
DAYS = 60


@pytest.fixture(scope="session")
def executor() -> Iterator[LocalExecutor]:
    pool = LocalExecutor(workers=1)
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = scaffold(tmp_path_factory.mktemp("template") / "shop", name="shop", template="tabular")
    orders = pl.read_parquet(folder / "data" / "orders.parquet")
    first = orders["placed_at"].min()
    orders.filter(pl.col("placed_at") < first + pl.duration(days=DAYS)).write_parquet(
        folder / "data" / "orders.parquet"
    )
    return folder


@pytest.fixture(scope="session")
def _served(_template: Path, tmp_path_factory: pytest.TempPathFactory, executor: LocalExecutor) -> Path:
    folder = tmp_path_factory.mktemp("served") / "shop"
    shutil.copytree(_template, folder)
    ws = open_workspace(folder, actor="test")
    outcome = train(ws, REQUEST, executor=executor)
    assert outcome.version is not None, outcome.verdict
    release(ws, NeighbourGateway(ws), outcome.version.number, reason="test")
    ws.db.close()
    return folder


@pytest.fixture
def project(_template: Path, tmp_path: Path) -> Path:
    """A project without any state."""
    shutil.copytree(_template, tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture
def served(_served: Path, tmp_path: Path) -> Workspace:
    """A project whose version 1 is champion."""
    shutil.copytree(_served, tmp_path / "shop")
    return open_workspace(tmp_path / "shop", actor="test")


@pytest.fixture
def first(served: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A host whose database others may follow, with what it has published."""
    served.db.close()
    monkeypatch.setenv("DETENT_DATABASE_URL", f"sqlite:///{served.state / 'detent.db'}")
    ws = open_workspace(served.folder, actor="test")
    keep_up(ws)
    publish(ws, None, desired_route(ws))
    return ws


@pytest.fixture
def second(first: Workspace, tmp_path: Path) -> ServingHost:
    """Another host: the project's files, two keys, a link to the blobs."""
    folder = tmp_path / "second"
    shutil.copytree(first.folder, folder, ignore=shutil.ignore_patterns(".detent", "data"))
    (folder / ".detent" / "keys").mkdir(parents=True)
    shutil.copy(first.state / "keys" / "signing.pub", folder / ".detent" / "keys")
    shutil.copy(prediction_key(first.state), prediction_key(folder / ".detent"))
    (folder / ".detent" / "blobs").symlink_to(first.state / "blobs")
    return open_host(folder)


@pytest.fixture
def gateway(served: Workspace) -> Iterator[Supervisor]:
    """Serving processes of that project."""
    keep_up(served)
    supervisor = supervise(served, port=0)
    supervisor.start()
    yield supervisor
    supervisor.stop()


def rewrite(project: Path, change) -> None:
    """Replace the project's data by what `change` makes of it."""
    path = project / "data" / "orders.parquet"
    change(pl.read_parquet(path)).write_parquet(path)
