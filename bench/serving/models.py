"""Make the models, in detent's environment: `python models.py FOLDER`. Each is made once.

    m1  LightGBM, 100 trees of 31 leaves, 20 numbers in, trained and exported by detent
    m2  logistic regression behind imputation, scaling and one-hot columns, 12 numbers and 8 texts in, likewise
    m3  a net of 20, 512, 512 and 1 units; its weights are random, which costs as much time as others

Of each there is a bundle (`bundle`; of m1 a second version `bundle2`), the same graph with one input `[n, 20]` for the
others (`model.onnx`; detent makes that of it too when it loads; of m2 one input of numbers and one of texts), 200 rows,
and the offline scores of both versions.
"""

from __future__ import annotations

import itertools
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import polars as pl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

from detent.bundle import codec
from detent.bundle.facts import ManifestFacts
from detent.bundle.onnx_inputs import with_one_block
from detent.bundle.pack import manifest_digest, pack
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.bundle.protocol import Golden
from detent.bundle.sign import seal, sign, write_verdict
from detent.records.check import Verdict
from detent.records.profile import Profile
from detent.records.signature import Field, Signature
from detent.training import lightgbm, sklearn

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NAMES = tuple(f"f{number}" for number in range(20))
WHEN = "2013-06-01T00:00:00.000000+00:00"
ROWS = 200  # requests that differ
NUMBERS = 12  # of the inputs of m2; the others are texts
LEVELS = 10  # of each text


def main(folder: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(20_000, len(NAMES)))
    for model, versions in (("m1", ("bundle", "bundle2")), ("m2", ("bundle",)), ("m3", ("bundle",))):
        place = folder / model
        if (place / "rows.json").exists():
            continue
        shutil.rmtree(place, ignore_errors=True)
        rows = mixed(numbers) if model == "m2" else numbers
        scores: list[list[float]] = []
        for number, name in enumerate(versions):
            bundle = place / name
            bundle.mkdir(parents=True)
            if model == "m1":
                make_trees(bundle, rows, seed=number)
            elif model == "m2":
                make_mixed(bundle, rows)
            else:
                make_net(bundle, rows)
            finish(bundle)
            scores.append(offline(bundle / "model.onnx", rows[:ROWS]))
        (place / "model.onnx").write_bytes(for_others((place / "bundle" / "model.onnx").read_bytes()))
        (place / "scores.json").write_text(json.dumps(scores))
        (place / "rows.json").write_text(json.dumps(rows[:ROWS].tolist()))


def make_trees(folder: Path, rows: np.ndarray, seed: int) -> None:
    noise = np.random.default_rng(seed + 1).normal(size=len(rows))
    label = (rows[:, 0] * rows[:, 1] + rows[:, 2] + noise > 0).astype(np.int64)
    frame = pl.DataFrame({**{name: rows[:, at] for at, name in enumerate(NAMES)}, "late": label})
    lightgbm(frame, label="late", n_estimators=100, num_leaves=31).save(folder)


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Return rows whose last columns are texts such as "a7", from the same numbers."""
    rows = numbers.astype(object)
    for at in range(NUMBERS, len(NAMES)):
        order = np.argsort(np.argsort(numbers[:, at])) * LEVELS // len(numbers)
        rows[:, at] = [f"{chr(97 + at - NUMBERS)}{level}" for level in order]
    return rows


def make_mixed(folder: Path, rows: np.ndarray) -> None:
    noise = np.random.default_rng(1).normal(size=len(rows))
    label = (rows[:, 0].astype(float) + (rows[:, NUMBERS] == "a7") + noise > 0).astype(np.int64)
    kinds = [float] * NUMBERS + [str] * (len(NAMES) - NUMBERS)
    columns = {name: [kinds[at](value) for value in rows[:, at]] for at, name in enumerate(NAMES)}
    sklearn(pl.DataFrame({**columns, "late": label}), estimator=LogisticRegression(max_iter=1_000), label="late").save(
        folder
    )


def make_net(folder: Path, rows: np.ndarray) -> None:
    random = np.random.default_rng(0)
    sizes = (len(NAMES), 512, 512, 1)
    nodes, weights, last = [], [], "x"
    for layer, (before, after) in enumerate(itertools.pairwise(sizes)):
        matrix = (random.normal(size=(before, after)) * np.sqrt(2 / before)).astype(np.float32)
        weights += [
            numpy_helper.from_array(matrix, f"w{layer}"),
            numpy_helper.from_array(np.zeros(after, np.float32), f"b{layer}"),
        ]
        nodes.append(helper.make_node("Gemm", [last, f"w{layer}", f"b{layer}"], [f"g{layer}"]))
        last = f"a{layer}"
        nodes.append(helper.make_node("Relu" if after > 1 else "Sigmoid", [f"g{layer}"], [last]))
    taken = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", len(NAMES)])]
    given = [helper.make_tensor_value_info(last, TensorProto.FLOAT, ["n", 1])]
    graph = helper.make_graph(nodes, "net", taken, given, weights)
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()
    signature = Signature(
        inputs=tuple(Field(name=name, kind="number", nullable=False) for name in NAMES), output="probability"
    )
    golden = {name: tuple(rows[:50, at].tolist()) for at, name in enumerate(NAMES)}
    scores = tuple(OnnxPredictor(data, signature).predict(golden).tolist())
    (folder / "model.onnx").write_bytes(data)
    (folder / "signature.json").write_bytes(codec.signature_to_json(signature))
    (folder / "profile.json").write_bytes(codec.profile_to_json(Profile(rows=50, columns=())))
    (folder / "golden.json").write_bytes(codec.golden_to_json(Golden(rows=golden, scores=scores)))


def finish(folder: Path) -> None:
    """Make a folder with a model a bundle that passed the gate."""
    facts = ManifestFacts(
        model="bench", task="binary", label="late", data_digest="d" * 64, code_digest="c" * 64, policy_digest="e" * 64,
        environment_digest="f" * 64, params=(), run="bench", created_at=WHEN,
    )  # fmt: skip
    pack(folder, facts=facts)
    sign(folder, KEY)
    verdict = Verdict(
        id="1" * 64, decision="pass", results=(), model_digest=manifest_digest(folder), data_digest="d" * 64,
        policy_digest="e" * 64, champion_digest=None, reason="", judged_at=WHEN,
    )  # fmt: skip
    write_verdict(folder, seal(verdict, KEY))


def offline(path: Path, rows: np.ndarray) -> list[float]:
    """Return the scores of the exported graph, computed here and not by a server."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    if len(inputs) == 1:
        feed = {inputs[0].name: rows.astype(np.float32)}
    else:
        feed = {one.name: rows[:, [NAMES.index(one.name)]].astype(_dtype(one.type)) for one in inputs}
    return np.asarray(session.run(None, feed)[0]).reshape(-1).astype(float).tolist()


def for_others(model: bytes) -> bytes:
    """Return the graph with all its numbers in one input `x`, so nobody pays for twenty, texts in `s`; output `y`."""
    graph = onnx.load_from_string(model).graph
    texts = [one.name for one in graph.input if one.type.tensor_type.elem_type == TensorProto.STRING]
    numbers = [one.name for one in graph.input if one.name not in texts]
    whole = onnx.load_from_string(with_one_block(model, numbers) if len(numbers) > 1 else model)
    block = next(one.name for one in whole.graph.input if one.name not in texts)
    names = {block: "x", whole.graph.output[0].name: "y"}
    for node in whole.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    whole.graph.output[0].name = "y"
    width = len(numbers) if len(numbers) > 1 else len(NAMES)
    taken = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", width])]
    if texts:
        taken.append(helper.make_tensor_value_info("s", TensorProto.STRING, ["n", len(texts)]))
        whole.graph.initializer.append(numpy_helper.from_array(np.ones(len(texts), dtype=np.int64), "one each"))
        whole.graph.node.insert(0, helper.make_node("Split", ["s", "one each"], texts, axis=1))
    del whole.graph.input[:]
    whole.graph.input.extend(taken)
    return whole.SerializeToString()


def _dtype(kind: str) -> type:
    return object if kind == "tensor(string)" else np.float32


if __name__ == "__main__":
    main(Path(sys.argv[1]))
