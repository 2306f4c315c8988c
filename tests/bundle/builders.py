"""A small real bundle: a linear model over a number, an integer and a string column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper

from detent.bundle import codec
from detent.bundle.facts import ManifestFacts
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.bundle.protocol import Golden
from detent.records.check import Verdict
from detent.records.profile import ColumnProfile, Profile
from detent.records.signature import Field, Signature

SIGNATURE = Signature(
    inputs=(
        Field(name="temp", kind="number", nullable=True),
        Field(name="hour", kind="integer", nullable=False),
        Field(name="origin", kind="string", nullable=True),
    ),
    output="probability",
)
FACTS = ManifestFacts(
    model="delay-risk",
    task="binary",
    label="late",
    data_digest="d" * 64,
    code_digest="c" * 64,
    policy_digest="e" * 64,
    environment_digest="f" * 64,
    params=(("learning_rate", "0.05"),),
    run="run-1",
    created_at="2013-06-01T00:00:00.000000+00:00",
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()


def make_graph(domain: str = "") -> onnx.ModelProto:
    """sigmoid(0.1 * temp (null: 0) + 0.2 * hour + weight of origin)"""
    column = lambda name, kind: helper.make_tensor_value_info(name, kind, [None, 1])  # noqa: E731
    scalar = lambda name, value: helper.make_tensor(name, TensorProto.FLOAT, [1], [value])  # noqa: E731
    nodes = [
        helper.make_node("IsNaN", ["temp"], ["_empty"]),
        helper.make_node("Where", ["_empty", "_zero", "temp"], ["_temp"]),
        helper.make_node("Mul", ["_temp", "_a"], ["_t"]),
        helper.make_node("Mul", ["hour", "_b"], ["_h"]),
        helper.make_node(
            "LabelEncoder", ["origin"], ["_o"], domain="ai.onnx.ml",
            keys_strings=["JFK", "EWR", ""], values_floats=[0.5, -0.5, 0.25], default_float=0.0,
        ),
        helper.make_node("Sum", ["_t", "_h", "_o"], ["_sum"]),
        helper.make_node("Sigmoid", ["_sum"], ["score"], domain=domain),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "linear",
        [column("temp", TensorProto.FLOAT), column("hour", TensorProto.FLOAT), column("origin", TensorProto.STRING)],
        [column("score", TensorProto.FLOAT)],
        [scalar("_zero", 0.0), scalar("_a", 0.1), scalar("_b", 0.2)],
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def write_model(folder: Path, model: bytes) -> None:
    rows = {"temp": (1.5, None, -3.0), "hour": (7, 8, 9), "origin": ("JFK", "LGA", None)}
    scores = tuple(OnnxPredictor(model, SIGNATURE).predict(rows).tolist())
    column = ColumnProfile(name="temp", kind="number", edges=(0.0,), levels=(), counts=(1, 1), nulls=1)
    (folder / "model.onnx").write_bytes(model)
    (folder / "signature.json").write_bytes(codec.signature_to_json(SIGNATURE))
    (folder / "profile.json").write_bytes(codec.profile_to_json(Profile(rows=3, columns=(column,))))
    (folder / "golden.json").write_bytes(codec.golden_to_json(Golden(rows=rows, scores=scores)))


def make_verdict(digest: str, decision: str = "pass") -> Verdict:
    return Verdict(
        id="1" * 64, decision=decision, results=(), model_digest=digest, data_digest="d" * 64, policy_digest="e" * 64,
        champion_digest=None, reason="roc_auc is 0.7", judged_at="2013-06-01T00:00:00.000000+00:00",
    )  # fmt: skip


def expected(temp: float | None, hour: int, weight: float) -> float:
    return float(1 / (1 + np.exp(-(0.1 * (temp or 0.0) + 0.2 * hour + weight))))
