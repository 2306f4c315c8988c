from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import socket
import time
from pathlib import Path

import lightgbm
import mlflow.lightgbm
import mlflow.pyfunc
import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import polars as pl
import pytest
from click.testing import CliRunner
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

from detent.bundle.load import load
from detent.bundle.trust import folder_digest
from detent.bundle.verify import admit, verify
from detent.cli.main import cli
from detent.errors import DetentError, RefusedError
from detent.loop.champion import bundle_folder
from detent.loop.imports.import_model import import_model
from detent.loop.workspace import Workspace, open_workspace
from detent.registry import versions
from detent.serving.models.admission import admit_version
from detent.store import ledger

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
LABEL = "returned"


@pytest.fixture(scope="module")
def known(_served: Path) -> tuple[pl.DataFrame, list[str]]:
    """Training rows of the served project's first run, and the names of the features that are numbers."""
    ws = open_workspace(_served, actor="test")
    made = next(iter(ledger.read(ws.db, kind="candidate.made")))
    train = pl.read_parquet(io.BytesIO(ws.blobs.get(made.payload["train"])))
    ws.db.close()
    numbers = [name for name in made.payload["allowed_inputs"] if train.schema[name].is_numeric()]
    return train, numbers


@pytest.fixture(scope="module")
def trees(known: tuple[pl.DataFrame, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    train, numbers = known
    data = lightgbm.Dataset(
        train.select(numbers).to_numpy(), train[LABEL].cast(pl.Float64).to_numpy(), feature_name=numbers
    )
    booster = lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, 20)
    path = tmp_path_factory.mktemp("elsewhere") / "trees.txt"
    booster.save_model(path)
    return path


def lenient(ws: Workspace, trust: str = "") -> Workspace:
    """The same project with a gate that a model on numbers alone passes."""
    path = ws.folder / "detent.yaml"
    text = path.read_text()
    head, _, rest = text.partition("gate:")
    rest = rest[rest.index("\n\n") :] if "\n\n" in rest else ""
    path.write_text(f"{head}gate:\n  - roc_auc >= 0.5\n{rest}\n{trust}\n")
    ws.db.close()
    return open_workspace(ws.folder, actor="test")


def test_a_lightgbm_file_passes_the_gate_and_becomes_a_version_that_a_server_admits(
    served: Workspace, trees: Path
) -> None:
    ws = lenient(served)
    imported = import_model(ws, str(trees))
    assert imported.version is not None, imported.verdict.reason
    assert imported.version.origin == "import"
    folder = bundle_folder(ws, imported.version)
    manifest = verify(folder, None)
    assert manifest.predictor == "lightgbm"
    assert "model.lgb.txt" in dict(manifest.files)
    kinds = [event.kind for event in ledger.read(ws.db, subject="run:import-0001")]
    assert kinds == ["model.imported", "candidate.made", "verdict.passed"]
    told = {result.check.partition(" ")[0]: result.reason for result in imported.verdict.results}
    assert "not known" in told["overlap"]
    assert "fitted elsewhere" in told["provenance"]
    from detent.bundle.sign import sign, write_verdict

    sign(folder, ws.key)
    write_verdict(folder, imported.verdict)
    admit(folder, ws.public_key)
    loaded = admit_version(ws.model, 2, locate=lambda *_: folder, public=ws.public_key)
    assert loaded.pace.curve


def test_the_imported_bundle_is_a_valid_mlflow_model_with_the_scores_of_the_original(
    served: Workspace, trees: Path, known: tuple[pl.DataFrame, list[str]]
) -> None:
    train, numbers = known
    imported = import_model(lenient(served), str(trees))
    model = mlflow.pyfunc.load_model(str(imported.candidate.folder))
    frame = train.select(numbers).head(50)
    native = lightgbm.Booster(model_file=trees).predict(frame.to_numpy())
    np.testing.assert_allclose(model.predict(frame.to_pandas()), native, rtol=1e-12)


def test_the_gate_refuses_a_bad_import_like_any_candidate(served: Workspace, trees: Path, tmp_path: Path) -> None:
    text = trees.read_text()
    body, end, rest = text.partition("\nend of trees")
    lines = [
        "leaf_value=" + " ".join("0" for _ in line.split()) if line.startswith("leaf_value=") else line
        for line in body.split("\n")
    ]
    (tmp_path / "flat.txt").write_text("\n".join(lines) + end + rest)
    ws = lenient(served)
    imported = import_model(ws, str(tmp_path / "flat.txt"))
    assert imported.version is None
    assert imported.verdict.decision != "pass"
    assert len(versions.all_versions(ws.db, ws.model)) == 1


def test_inputs_that_the_project_does_not_make_are_refused_with_their_names(
    served: Workspace, trees: Path, tmp_path: Path, known: tuple[pl.DataFrame, list[str]]
) -> None:
    first = known[1][0]
    (tmp_path / "other.txt").write_text(trees.read_text().replace(f"feature_names={first} ", "feature_names=foreign "))
    with pytest.raises(RefusedError) as caught:
        import_model(served, str(tmp_path / "other.txt"))
    assert "`foreign`" in caught.value.why
    assert not list(ledger.read(served.db, kind="model.imported"))


def test_a_model_without_names_needs_them_from_the_user(
    served: Workspace, trees: Path, tmp_path: Path, known: tuple[pl.DataFrame, list[str]]
) -> None:
    names = known[1]
    own = " ".join(f"Column_{number}" for number in range(len(names)))
    text = trees.read_text().replace("feature_names=" + " ".join(names), "feature_names=" + own)
    (tmp_path / "nameless.txt").write_text(text)
    with pytest.raises(RefusedError, match=r"not those of this project") as caught:
        import_model(served, str(tmp_path / "nameless.txt"))
    assert "--inputs" in caught.value.fix
    assert f"`{names[0]}`" in caught.value.why
    with pytest.raises(RefusedError, match="not those of this project"):
        import_model(served, str(tmp_path / "nameless.txt"), inputs=names[:-1])
    imported = import_model(lenient(served), str(tmp_path / "nameless.txt"), inputs=names)
    assert [field.name for field in imported.candidate.signature.inputs] == names


def test_a_model_of_a_registry_is_fetched_by_its_name(
    served: Workspace, trees: Path, tmp_path: Path, known: tuple[pl.DataFrame, list[str]]
) -> None:
    train, numbers = known
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        mlflow.create_experiment("elsewhere", artifact_location=(tmp_path / "artifacts").as_uri())
        mlflow.set_experiment("elsewhere")
        booster = lightgbm.Booster(model_file=trees)
        frame = train.select(numbers).head(5).to_pandas()
        with mlflow.start_run():
            mlflow.lightgbm.log_model(
                booster, name="model", registered_model_name="shop-old",
                signature=infer_signature(frame, booster.predict(frame)),
            )  # fmt: skip
        ws = lenient(served)
        imported = import_model(ws, "models:/shop-old/1", tracking=uri)
        with pytest.raises(RefusedError, match="can't be had from MLflow"):
            import_model(ws, "models:/shop-old/9", tracking=uri)
    finally:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
    assert imported.version is not None
    assert verify(imported.candidate.folder, None).predictor == "lightgbm"


def test_a_server_that_is_away_is_given_up_soon_and_the_reason_is_the_system_s_own(tmp_path: Path) -> None:
    from detent.loop.imports.mlflow_source import download

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens here, and nobody else can begin to
        server = f"http://127.0.0.1:{taken.getsockname()[1]}"
        begun = time.monotonic()
        try:
            with pytest.raises(RefusedError, match="can't be had from MLflow") as caught:
                download("models:/nope/3", tmp_path / "made", tracking=server)
        finally:
            mlflow.set_tracking_uri(None)
            mlflow.set_registry_uri(None)
    assert time.monotonic() - begun < 60  # MLflow alone: four minutes
    assert caught.value.why == f"{server} can't be reached: Connection refused"
    assert not [name for name in os.environ if name.startswith("MLFLOW_HTTP_REQUEST_")]


def test_what_can_t_be_read_is_refused_before_the_data_are_looked_at(served: Workspace, tmp_path: Path) -> None:
    before = ledger.count_by_kind(served.db).get("data.ingested", 0)
    (tmp_path / "cut.onnx").write_bytes(b"\x08")
    with pytest.raises(RefusedError):
        import_model(served, str(tmp_path / "cut.onnx"))
    assert ledger.count_by_kind(served.db).get("data.ingested", 0) == before


def test_a_fault_that_names_no_place_is_told_of_what_was_given(served: Workspace, trees: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw.txt"
    raw.write_text(trees.read_text().replace("objective=binary sigmoid:1\n", ""))
    with pytest.raises(RefusedError, match="gives no probabilities") as caught:
        import_model(served, str(raw))
    assert caught.value.where is not None
    assert caught.value.where.file == str(raw)


def test_no_empty_database_of_mlflow_is_left_where_none_was(
    served: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    for tracking in (None, f"sqlite:///{tmp_path / 'mlflow.db'}", "sqlite:///mlflow.db"):
        with pytest.raises(RefusedError, match="can't be had from MLflow") as caught:
            import_model(served, "models:/nope/3", tracking=tracking)
        assert "there is no database" in caught.value.why
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
    assert list(tmp_path.glob("mlflow.db*")) == []


def test_a_pickle_is_refused_by_default_and_runs_confined_once_its_digest_is_allowed(
    served: Workspace, tmp_path: Path, known: tuple[pl.DataFrame, list[str]]
) -> None:
    train, numbers = known
    full = [name for name in numbers if train[name].null_count() == 0 and not train[name].is_nan().any()]
    estimator = LogisticRegression(max_iter=50).fit(
        train.select(full).to_numpy(), train[LABEL].cast(pl.Int8).to_numpy()
    )
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(estimator))
    with pytest.raises(RefusedError, match="is a program") as caught:
        import_model(served, str(path), inputs=full)
    assert folder_digest(path) in caught.value.fix
    imported = import_model(lenient(served, f"trust: {{pickles: [{folder_digest(path)}]}}"), str(path), inputs=full)
    manifest = verify(imported.candidate.folder, None)
    assert manifest.predictor == "sandbox"
    assert "trust.json" in dict(manifest.files)
    # A linear model can't score a null, so requests with nulls are refused before they reach it.
    assert not any(field.nullable for field in imported.candidate.signature.inputs)
    predictor = load(imported.candidate.folder)
    given = predictor.predict({name: train[name].head(3).to_list() for name in full})
    predictor.close()  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_allclose(given, estimator.predict_proba(train.select(full).head(3).to_numpy())[:, 1])


def test_an_address_is_not_fetched_from(served: Workspace) -> None:
    with pytest.raises(RefusedError, match="can't be imported"):
        import_model(served, "http://127.0.0.1:1/model.onnx")


def test_a_project_without_a_run_has_no_rows_to_judge_on(project: Path, trees: Path) -> None:
    ws = open_workspace(project, actor="test")
    with pytest.raises(RefusedError, match="no rows to judge"):
        import_model(ws, str(trees))


HOSTILE = {
    "cut.txt": lambda trees: trees[: len(trees) // 2],
    "other.onnx": lambda trees: trees,
    "empty.ubj": lambda trees: b"",
    "text.json": lambda trees: json.dumps({"learner": {}}).encode(),
    "list.json": lambda trees: b'{"learner": [1]}',
    "noise.skops": lambda trees: b"PK\x03\x04" + bytes(200),
    "noise.pt2": lambda trees: bytes(range(256)),
    "noise.safetensors": lambda trees: b"\xff" * 64,
    "noise.exe": lambda trees: b"MZ",
    "remote.json": lambda trees: b'{"url": "file:///etc/passwd", "model": "x"}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_a_reason_and_leaves_nothing(
    served: Workspace, trees: Path, tmp_path: Path, name: str
) -> None:
    if name.endswith((".skops", ".pt2")):
        pytest.importorskip("skops" if name.endswith(".skops") else "torch")
    (tmp_path / name).write_bytes(HOSTILE[name](trees.read_bytes()))
    before = {path.name for path in (served.state / "bundles").iterdir()}
    with pytest.raises(DetentError) as caught:
        import_model(served, str(tmp_path / name), inputs=["price"])
    assert caught.value.why
    assert not [word for word in ("Error:", "subscript", "indices") if word in caught.value.why], "Python's own words"
    assert caught.value.fix
    where = caught.value.where
    assert where is not None
    assert where.file in (str(tmp_path / name), "detent.yaml"), "nobody has seen the bundle's copy"
    assert {path.name for path in (served.state / "bundles").iterdir()} == before
    assert not list(ledger.read(served.db, kind="model.imported"))


def _graph(path: Path, width: int, *, taken: int = onnx.TensorProto.FLOAT, rows: int | None, columns: int) -> Path:
    """Write a graph of one tensor `[rows, width]` whose answer is so many columns of ones."""
    given = onnx.helper.make_tensor_value_info("X", taken, [rows, width])
    gives = onnx.helper.make_tensor_value_info("p", onnx.TensorProto.FLOAT, [rows, columns])
    ones = onnx.numpy_helper.from_array(np.ones((width, columns), np.float32), "ones")
    nodes = [
        onnx.helper.make_node("Cast", ["X"], ["x"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("MatMul", ["x", "ones"], ["sum"]),
        onnx.helper.make_node("Sigmoid", ["sum"], ["p"]),
    ]
    graph = onnx.helper.make_graph(nodes, "g", [given], [gives], [ones])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(made.SerializeToString())
    return path


@pytest.mark.parametrize(("rows", "columns"), [(None, 3), (1, 1)])
def test_a_model_that_gives_no_score_per_row_is_refused_and_nobody_is_sent_back_to_a_version(
    served: Workspace, tmp_path: Path, known: tuple[pl.DataFrame, list[str]], rows: int | None, columns: int
) -> None:
    path = _graph(tmp_path / "odd.onnx", len(known[1]), rows=rows, columns=columns)
    with pytest.raises(RefusedError) as caught:
        import_model(served, str(path), inputs=known[1])
    assert "one score for each" in caught.value.fix
    assert caught.value.where is not None
    assert caught.value.where.file == str(path)


def test_one_tensor_of_a_kind_that_is_not_read_is_named(
    served: Workspace, tmp_path: Path, known: tuple[pl.DataFrame, list[str]]
) -> None:
    path = _graph(tmp_path / "whole.onnx", len(known[1]), taken=onnx.TensorProto.INT64, rows=None, columns=1)
    with pytest.raises(RefusedError, match="can't be loaded") as caught:
        import_model(served, str(path), inputs=known[1])
    assert "its only input `X` is a tensor(int64) of 2 dimensions" in caught.value.why
    assert caught.value.fix.startswith("export the model again")


def test_a_folder_whose_description_leads_outside_is_refused(served: Workspace, trees: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(trees, tmp_path / "secret.txt")
    (folder / "MLmodel").write_text("flavors:\n  lightgbm:\n    data: ../secret.txt\n")
    with pytest.raises(RefusedError, match="can't be imported") as caught:
        import_model(served, str(folder))
    assert "../secret.txt" in caught.value.why


def test_the_command_tells_the_verdict_and_the_next_step(served: Workspace, trees: Path) -> None:
    ws = lenient(served)
    ws.db.close()
    told = CliRunner().invoke(cli, ["-C", str(ws.folder), "import", str(trees)])
    assert told.exit_code == 0, told.output
    assert "It is version 2; roll it out with: detent deploy 2" in told.output
