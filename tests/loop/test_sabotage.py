"""Sabotage of a champion that no pipeline of the project made."""

from __future__ import annotations

import io
from pathlib import Path

import lightgbm
import polars as pl
import pytest

from detent.errors import RefusedError
from detent.loop.champion import CHAMPION, bundle_folder
from detent.loop.controller import Controller
from detent.loop.imports.import_model import import_model
from detent.loop.sabotage.ship import ship
from detent.loop.servers.serve import NeighbourGateway
from detent.loop.workspace import Workspace, open_workspace
from detent.pipeline.executors.local import LocalExecutor
from detent.registry import aliases, versions
from detent.store import ledger


def trees(ws: Workspace, path: Path) -> Path:
    """A LightGBM file, trained on the numbers among the champion's rows."""
    made = next(iter(ledger.read(ws.db, kind="candidate.made")))
    train = pl.read_parquet(io.BytesIO(ws.blobs.get(made.payload["train"])))
    numbers = [name for name in made.payload["allowed_inputs"] if train.schema[name].is_numeric()]
    data = lightgbm.Dataset(train.select(numbers).to_numpy(), train["returned"].cast(pl.Float64), feature_name=numbers)
    lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, 20).save_model(path / "trees.txt")
    return path / "trees.txt"


def graph(ws: Workspace, path: Path) -> Path:
    """The champion's own graph, as a file from elsewhere."""
    data = (bundle_folder(ws, versions.get(ws.db, ws.model, 1)) / "model.onnx").read_bytes()
    (path / "graph.onnx").write_bytes(data)
    return path / "graph.onnx"


@pytest.mark.parametrize(("source", "kind"), [(trees, "a `lightgbm` model"), (graph, "an imported ONNX model")])
def test_a_champion_from_elsewhere_can_not_be_spoiled_and_that_is_said_by_name(
    served: Workspace, tmp_path: Path, executor: LocalExecutor, source, kind: str
) -> None:
    file = served.folder / "detent.yaml"
    before, _, gate = file.read_text().partition("gate:")
    file.write_text(f"{before}gate:\n  - roc_auc >= 0.5\n{gate[gate.index(chr(10) * 2) :]}")
    served.db.close()
    ws = open_workspace(served.folder, actor="test")
    version = import_model(ws, str(source(ws, tmp_path))).version
    assert version is not None
    with ws.db.transaction() as tx:
        aliases.set_alias(
            tx, model=ws.model, alias=CHAMPION, number=version.number, actor="test", reason="test", now=ws.now()
        )
    with pytest.raises(RefusedError) as caught:
        ship(ws, Controller(ws, NeighbourGateway(ws), executor, tell=lambda _: None), "constant")
    assert caught.value.what == f"version 2 can't be spoiled: it is {kind}"
    assert "ONNX graph" in caught.value.why
    assert "detent run" in caught.value.fix
    assert not list(ledger.read(ws.db, kind="sabotage"))
    assert len(versions.all_versions(ws.db, ws.model)) == 2
