"""XGBoost, skops, torch and safetensors. The first three are extras: without one, its tests are skipped."""

from __future__ import annotations

import io
import json
import math
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from detent import plugins
from detent.bundle.archive import open_archive
from detent.bundle.predictors.mlp import MlpPredictor
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.bundle.protocol import PredictionError
from detent.errors import DataError, MissingExtraError, RefusedError
from detent.records.signature import Field, Signature

NAMES = ("a", "b", "c")
INPUTS = tuple(Field(name=name, kind="number", nullable=True) for name in NAMES)
SIGNATURE = Signature(inputs=INPUTS, output="probability")
X = np.random.default_rng(3).normal(size=(200, 3))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


def columns(rows: np.ndarray) -> dict[str, list[float | None]]:
    return {
        name: [None if math.isnan(value) else value for value in rows[:, place].tolist()]
        for place, name in enumerate(NAMES)
    }


def one_by_one(predictor, rows: np.ndarray) -> list[float]:
    return [predictor.predict(columns(rows[place : place + 1]))[0] for place in range(len(rows))]


# --- XGBoost ---


def booster(form: str) -> bytes:
    xgboost = pytest.importorskip("xgboost")
    data = xgboost.DMatrix(X, Y, feature_names=list(NAMES))
    return bytes(xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 8).save_raw(form))


@pytest.mark.parametrize("form", ["json", "ubj"])
def test_xgboost_gives_its_own_scores_for_rows_and_batches(form: str) -> None:
    model = booster(form)
    import xgboost

    from detent.bundle.predictors.xgboost import XgboostPredictor

    rows = X[:40].copy()
    rows[::5, 1] = np.nan
    native = xgboost.Booster(model_file=bytearray(model)).inplace_predict(rows, validate_features=False)
    predictor = XgboostPredictor(model, SIGNATURE)
    np.testing.assert_array_equal(predictor.predict(columns(rows)), native.astype(np.float64))
    np.testing.assert_array_equal(one_by_one(predictor, rows), native.astype(np.float64))
    with pytest.raises(DataError, match="`b`"):
        predictor.predict({**columns(rows[:1]), "b": ["x"]})


XGBOOST_DAMAGE: dict[str, Callable[[dict], object]] = {
    "a loop": lambda tree: tree["left_children"].__setitem__(1, 0),
    "a child outside": lambda tree: tree["left_children"].__setitem__(0, 10**6),
    "two parents": lambda tree: tree["left_children"].__setitem__(0, tree["right_children"][0]),
    "an unknown feature": lambda tree: tree["split_indices"].__setitem__(0, 77),
    "a short list": lambda tree: tree["split_conditions"].pop(),
    "more nodes than there are": lambda tree: tree["tree_param"].__setitem__("num_nodes", "999999"),
    "another width": lambda tree: tree["tree_param"].__setitem__("num_feature", "1"),
    "a text for a number": lambda tree: tree["left_children"].__setitem__(0, "x"),
}


@pytest.mark.parametrize("name", XGBOOST_DAMAGE)
def test_a_damaged_xgboost_tree_never_reaches_the_library(name: str) -> None:
    content = json.loads(booster("json"))
    from detent.bundle.predictors.xgboost import XgboostPredictor

    XGBOOST_DAMAGE[name](content["learner"]["gradient_booster"]["model"]["trees"][0])
    with pytest.raises(RefusedError) as caught:
        XgboostPredictor(json.dumps(content).encode(), SIGNATURE)
    assert "is no XGBoost model" in caught.value.what


def test_cut_and_foreign_xgboost_files_are_refused() -> None:
    model = booster("ubj")
    from detent.bundle.predictors.xgboost import XgboostPredictor

    for data in (b"", b"{", model[:-5], model[: len(model) // 3], b"{" * 5000, b"[$l#L\x7f" + b"\xff" * 7, b"[" * 90):
        with pytest.raises(RefusedError):
            XgboostPredictor(data, SIGNATURE)
    twice = b'{"learner":{},"learner":{}}'
    with pytest.raises(RefusedError, match="no XGBoost model"):
        XgboostPredictor(twice, SIGNATURE)


# --- skops ---


def dumped(model: object) -> bytes:
    return pytest.importorskip("skops.io").dumps(model)


def test_skops_runs_an_estimator_and_a_pipeline_without_warnings() -> None:
    forest = RandomForestClassifier(n_estimators=5, n_jobs=2, random_state=0).fit(pd.DataFrame(X, columns=NAMES), Y)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    models = [(dumped(model), model) for model in (forest, pipeline)]
    from detent.bundle.predictors.skops import SkopsPredictor

    for data, model in models:
        predictor = SkopsPredictor(data, SIGNATURE, types=("sklearn.tree._tree.Tree",))
        frame = pd.DataFrame(X, columns=NAMES) if hasattr(model, "feature_names_in_") else X
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_allclose(predictor.predict(columns(X)), model.predict_proba(frame)[:, 1])
            np.testing.assert_allclose(one_by_one(predictor, X[:3]), model.predict_proba(frame)[:3, 1])
    values = SkopsPredictor(dumped(LinearRegression().fit(X, Y)), Signature(inputs=INPUTS, output="value"), types=())
    np.testing.assert_allclose(values.predict(columns(X)), LinearRegression().fit(X, Y).predict(X))
    with pytest.raises(PredictionError, match="the model raised"):
        values.predict({**columns(X[:1]), "b": [None]})


def test_skops_gives_a_pipeline_with_text_its_columns_by_name() -> None:
    frame = pd.DataFrame({"price": X[:, 0], "city": np.where(Y == 1, "Rome", "Oslo").astype(object)})
    encoder = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="passthrough")
    model = make_pipeline(encoder, LogisticRegression()).fit(frame, Y)
    data = dumped(model)
    from detent.bundle.predictors.skops import SkopsPredictor, untrusted_types

    fields = (Field(name="price", kind="number", nullable=False), Field(name="city", kind="string", nullable=True))
    predictor = SkopsPredictor(data, Signature(inputs=fields, output="probability"), types=untrusted_types(data))
    given = predictor.predict({"price": [0.3, 1.0], "city": ["Rome", "Lima"]})
    expected = model.predict_proba(pd.DataFrame({"price": [0.3, 1.0], "city": ["Rome", "Lima"]}))[:, 1]
    np.testing.assert_allclose(given, expected)


def test_skops_makes_listed_types_only() -> None:
    import lightgbm

    model = lightgbm.LGBMClassifier(n_estimators=3, verbosity=-1).fit(X, Y)
    data = dumped(model)
    from detent.bundle.predictors.skops import SkopsPredictor, untrusted_types

    assert "lightgbm.sklearn.LGBMClassifier" in untrusted_types(data)
    with pytest.raises(RefusedError, match="does not trust") as caught:
        SkopsPredictor(data, SIGNATURE, types=())
    assert "lightgbm.sklearn.LGBMClassifier" in caught.value.why


def rezipped(data: bytes, change: Callable[[str, bytes], tuple[str, bytes]]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(*change(member.filename, old.read(member)))
    return made.getvalue()


def test_a_forged_skops_file_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    data = dumped(LogisticRegression().fit(X, Y))
    from detent.bundle.predictors.skops import SkopsPredictor

    mark = tmp_path / "it ran"

    def forge(name: str, content: bytes) -> tuple[str, bytes]:
        if name != "schema.json":
            return name, content
        schema = json.loads(content)
        call = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": f'"touch {mark}"'}
        forged = {
            "__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "__id__": 1,
            "content": {"module_path": "os", "function": "system"}, "args": call,
        }  # fmt: skip
        return name, json.dumps({**schema, **forged}).encode()

    with pytest.raises(RefusedError):
        SkopsPredictor(rezipped(data, forge), SIGNATURE, types=())
    nameless = rezipped(data, lambda name, content: (name, b"{}" if name == "schema.json" else content))
    for broken in (nameless, data[:50], b"", b"PK\x05\x06" + bytes(18)):
        with pytest.raises(RefusedError):
            SkopsPredictor(broken, SIGNATURE, types=())
    assert not mark.exists()


# --- torch ---


def exported(width: int = 3, dynamic: bool = True) -> bytes:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(width, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1), torch.nn.Sigmoid())
    free = ({0: torch.export.Dim("rows")},) if dynamic else None
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(model, (torch.zeros(2, width),), dynamic_shapes=free), buffer)
    return buffer.getvalue()


def test_an_exported_program_gives_its_own_scores() -> None:
    data = exported()
    import torch

    from detent.bundle.predictors.torch import TorchPredictor

    program = torch.export.load(io.BytesIO(data)).module()
    expected = program(torch.from_numpy(X.astype(np.float32))).detach().numpy()[:, 0]
    predictor = TorchPredictor(data, SIGNATURE)
    np.testing.assert_allclose(predictor.predict(columns(X)), expected, atol=1e-7)
    np.testing.assert_allclose(one_by_one(predictor, X[:3]), expected[:3], atol=1e-7)
    with pytest.raises(RefusedError, match="can't be loaded"):
        TorchPredictor(data, Signature(inputs=INPUTS[:2], output="probability"))
    with pytest.raises(RefusedError, match="can't be loaded"):
        TorchPredictor(exported(dynamic=False), SIGNATURE)


def edited(member: str, old: bytes, new: bytes) -> bytes:
    def change(name: str, content: bytes) -> tuple[str, bytes]:
        if not name.endswith(member):
            return name, content
        assert old in content
        return name, content.replace(old, new)

    return rezipped(exported(), change)


@pytest.mark.parametrize(
    ("member", "old", "new"),
    [
        ("models/model.json", b"torch.ops.aten.relu.default", b"torch.hub.load"),
        ("models/model.json", b"torch.ops.aten.relu.default", b"_operator.attrgetter"),
        ("models/model.json", b"torch.ops.aten.relu.default", b"torch.ops.aten.from_file.default"),
        ("models/model.json", b"Symbol('", b"__import__('os').system('"),
        ("model_weights_config.json", b'"use_pickle": false', b'"use_pickle": true'),
        ("model_weights_config.json", b'"weight_0"', b'"opaque_obj_0"'),
        ("archive_format", b"pt2", b"pt3"),
    ],
)
def test_a_program_that_would_run_code_is_refused(member: str, old: bytes, new: bytes) -> None:
    data = edited(member, old, new)
    from detent.bundle.predictors.torch import TorchPredictor

    with pytest.raises(RefusedError, match="exported program can't be run"):
        TorchPredictor(data, SIGNATURE)


def test_a_pickle_among_the_example_inputs_is_never_read(tmp_path: Path) -> None:
    import pickle

    from .test_sandbox import Program

    mark = tmp_path / "it ran"
    evil = pickle.dumps(Program(f"open({str(mark)!r}, 'w')"))
    data = rezipped(exported(), lambda name, content: (name, evil if "sample_inputs" in name else content))
    from detent.bundle.predictors.torch import TorchPredictor

    assert TorchPredictor(data, SIGNATURE).predict(columns(X)).shape == (200,)
    assert not mark.exists()


# --- safetensors ---


def tensors(metadata: dict[str, str] | None, arrays: dict[str, np.ndarray]) -> bytes:
    head: dict[str, object] = {} if metadata is None else {"__metadata__": metadata}
    body = b""
    for name, array in arrays.items():
        data = array.astype("<f4").tobytes()
        head[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + body


WEIGHTS = {
    "0.weight": np.random.default_rng(0).normal(size=(4, 3)),
    "0.bias": np.array([0.1, -0.2, 0.3, 0.0]),
    "2.weight": np.random.default_rng(1).normal(size=(1, 4)),
    "2.bias": np.array([0.5]),
}
ABOUT = {"architecture": "mlp", "activation": "relu", "output": "sigmoid", "inputs": '["a", "b", "c"]'}


def test_a_declared_network_is_computed_as_written() -> None:
    predictor = MlpPredictor(tensors(ABOUT, WEIGHTS), SIGNATURE)
    hidden = np.maximum(X @ WEIGHTS["0.weight"].T + WEIGHTS["0.bias"], 0)
    expected = 1 / (1 + np.exp(-(hidden @ WEIGHTS["2.weight"].T + WEIGHTS["2.bias"])[:, 0]))
    np.testing.assert_allclose(predictor.predict(columns(X)), expected, atol=1e-6)
    np.testing.assert_allclose(one_by_one(predictor, X[:3]), expected[:3], atol=1e-6)


@pytest.mark.parametrize(
    "data",
    [
        tensors(None, WEIGHTS),
        tensors({**ABOUT, "activation": "os.system"}, WEIGHTS),
        tensors({**ABOUT, "inputs": '["a", "c", "b"]'}, WEIGHTS),
        tensors(ABOUT, {**WEIGHTS, "2.weight": np.zeros((2, 4)), "2.bias": np.zeros(2)}),
        tensors(ABOUT, {**WEIGHTS, "2.weight": np.zeros((1, 5))}),
        tensors(ABOUT, {**WEIGHTS, "attention": np.zeros(3)}),
        tensors(ABOUT, WEIGHTS)[:-4],
        b"\xff" * 100,
        b"",
        struct.pack("<Q", 2) + b"[]",
    ],
)
def test_weights_that_are_no_declared_network_are_refused(data: bytes) -> None:
    with pytest.raises(RefusedError, match="can't be loaded"):
        MlpPredictor(data, SIGNATURE)


# --- ONNX with one tensor ---


def one_tensor(kind: int = TensorProto.FLOAT, outputs: tuple[str, ...] = ("label", "both"), width: int = 3) -> bytes:
    weights = helper.make_tensor("w", kind, [3, 1], [1.0, 2.0, -1.0])
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["raw"]),
        helper.make_node("Sigmoid", ["raw"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["q"]),
        helper.make_node("Concat", ["q", "p"], ["both"], axis=1),
        helper.make_node("ArgMax", ["both"], ["label"], axis=1, keepdims=0),
    ]
    shapes = {"label": (TensorProto.INT64, [None]), "both": (kind, [None, 2]), "p": (kind, [None, 1])}
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("x", kind, [None, width])],
        [helper.make_tensor_value_info(name, *shapes[name]) for name in outputs],
        [weights, helper.make_tensor("one", kind, [1], [1.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
@pytest.mark.parametrize("outputs", [("label", "both"), ("both",), ("p",)])
def test_one_onnx_tensor_takes_the_inputs_in_the_signatures_order(kind: int, outputs: tuple[str, ...]) -> None:
    predictor = OnnxPredictor(one_tensor(kind, outputs), SIGNATURE)
    expected = 1 / (1 + np.exp(-(X @ [1.0, 2.0, -1.0])))
    np.testing.assert_allclose(predictor.predict(columns(X)), expected, atol=1e-6)
    swapped = Signature(inputs=(INPUTS[1], INPUTS[0], INPUTS[2]), output="probability")
    given = OnnxPredictor(one_tensor(kind, outputs), swapped).predict(columns(X))
    np.testing.assert_allclose(given, 1 / (1 + np.exp(-(X[:, [1, 0, 2]] @ [1.0, 2.0, -1.0]))), atol=1e-6)


def test_onnx_of_another_width_or_without_scores_is_refused() -> None:
    with pytest.raises(RefusedError, match="can't be loaded"):
        OnnxPredictor(one_tensor(), Signature(inputs=INPUTS[:2], output="probability"))
    with pytest.raises(RefusedError, match="gives no scores"):
        OnnxPredictor(one_tensor(outputs=("label",)), SIGNATURE)


# --- archives and extras ---


def archive(*members: tuple[str, bytes], link: bool = False) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            about = zipfile.ZipInfo(name)
            about.compress_type = zipfile.ZIP_DEFLATED
            about.external_attr = (0o120777 if link else 0o100644) << 16
            file.writestr(about, data)
    return made.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        archive(("../outside", b"x")),
        archive(("/etc/passwd", b"x")),
        archive(("a\\..\\b", b"x")),
        archive(("C:/windows", b"x")),
        archive(("bomb", bytes(600 << 20))),
        archive(("target", b"/etc/passwd"), link=True),
        archive(*((f"{number}", b"") for number in range(10_001))),
        archive(("a", b"x"))[:-10],
        b"no zip",
    ],
)
def test_a_hostile_archive_is_refused(data: bytes) -> None:
    with pytest.raises(RefusedError, match="can't be unpacked safely"):
        open_archive(data, "model.skops")


@pytest.mark.parametrize("package", ["torch", "skops", "xgboost"])
def test_a_missing_package_names_its_extra(package: str) -> None:
    error = plugins.missing(package, wanted_by=f"predictor `{package}`")
    assert isinstance(error, MissingExtraError)
    assert error.fix == f"pip install 'detent[{package}]'"
