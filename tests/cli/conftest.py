"""A project with two versions, the first of which is deployed: made once, copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from detent.cli.scaffold import scaffold
from detent.loop.champion import champion_version
from detent.loop.releases.release import release
from detent.loop.runs.datasets import ingest_all
from detent.loop.sabotage.ship import spoiled
from detent.loop.servers.serve import NeighbourGateway
from detent.loop.train import submit, train
from detent.loop.workspace import open_workspace
from detent.pipeline.executors.local import LocalExecutor
from detent.records.run import RunRequest

from .commands import Shop

ASKED = RunRequest(reason="manual", detail="Asked for by a test.", asked_at="2025-01-01T00:00:00+00:00", actor="test")
DAYS = 60


@pytest.fixture(scope="session")
def _two_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = scaffold(tmp_path_factory.mktemp("template") / "shop", name="shop", template="tabular")
    data = folder / "data" / "orders.parquet"
    orders = pl.read_parquet(data)
    orders.filter(pl.col("placed_at") < orders["placed_at"].min() + pl.duration(days=DAYS)).write_parquet(data)
    ws, pool = open_workspace(folder, actor="test"), LocalExecutor(workers=1)
    try:
        first = train(ws, ASKED, executor=pool).version
    finally:
        pool.close()
    assert first is not None
    release(ws, NeighbourGateway(ws), first.number, reason="test")
    # The one candidate that is no worse in the gate's batches, and fails some single requests.
    _, second = submit(ws, spoiled(ws, champion_version(ws), "raising"), ingest_all(ws, ws.now()))  # type: ignore[arg-type]
    assert second is not None
    ws.db.close()
    return folder


@pytest.fixture
def shop(
    _two_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shop:
    """Version 1 answers everything, version 2 (it raises on some requests) is registered."""
    shutil.copytree(_two_versions, tmp_path / "shop")
    return Shop(tmp_path / "shop", monkeypatch, capsys)
