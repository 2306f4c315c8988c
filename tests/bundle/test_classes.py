"""Models with several classes: a table of probabilities from every predictor that knows them, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import yaml
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from detent.bundle import codec, mlmodel
from detent.bundle.facts import ManifestFacts
from detent.bundle.golden import difference
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.bundle.predictors.skops import SkopsPredictor, fitted_classes
from detent.bundle.protocol import Golden, PredictionError, Predictor
from detent.errors import RefusedError
from detent.records.signature import Field, Signature

CLASSES = ("setosa", "versicolor", "virginica")
SIGNATURE = Signature(
    inputs=tuple(Field(name=f"f{place}", kind="number", nullable=False) for place in range(4)),
    output="probabilities",
    classes=CLASSES,
)


@pytest.fixture(scope="module")
def data() -> Any:
    return load_iris()


@pytest.fixture(scope="module")
def estimator(data: Any) -> LogisticRegression:
    return LogisticRegression(max_iter=500).fit(data.data, np.array(CLASSES)[data.target])


def columns(data: Any) -> dict[str, list[float]]:
    return {f"f{place}": data.data[:, place].tolist() for place in range(4)}


def as_onnx(estimator: LogisticRegression) -> bytes:
    options = {id(estimator): {"zipmap": False}}
    made: Any = convert_sklearn(estimator, initial_types=[("x", FloatTensorType([None, 4]))], options=options)
    return made.SerializeToString()


@pytest.mark.parametrize("kind", ["onnx", "skops"])
def test_a_model_from_elsewhere_gives_a_row_of_probabilities(
    kind: str, estimator: LogisticRegression, data: Any
) -> None:
    predictor: Predictor = (
        OnnxPredictor(as_onnx(estimator), SIGNATURE)
        if kind == "onnx"
        else SkopsPredictor(skops.io.dumps(estimator), SIGNATURE, types=())
    )
    found = predictor.predict(columns(data))
    assert found == pytest.approx(estimator.predict_proba(data.data), abs=1e-5)
    assert predictor.predict({name: [] for name in columns(data)}).shape == (0, 3)


def test_a_model_of_other_classes_than_its_signature_is_refused(estimator: LogisticRegression) -> None:
    dumped = skops.io.dumps(estimator)
    assert fitted_classes(dumped, ()) == CLASSES
    other = Signature(inputs=SIGNATURE.inputs, output="probabilities", classes=("a", "b", "c"))
    with pytest.raises(RefusedError, match="can't be loaded") as caught:
        SkopsPredictor(dumped, other, types=())
    assert "setosa" in caught.value.why


def test_a_graph_of_another_width_is_a_failed_prediction(estimator: LogisticRegression, data: Any) -> None:
    wide = Signature(inputs=SIGNATURE.inputs, output="probabilities", classes=("a", "b", "c", "d"))
    with pytest.raises(PredictionError) as caught:
        OnnxPredictor(as_onnx(estimator), wide).predict(columns(data))
    assert "(150, 3) came for 150 rows and 4 classes" in caught.value.why


def test_golden_rows_of_classes_go_through_json_and_are_compared_probability_by_probability(
    estimator: LogisticRegression, data: Any
) -> None:
    predictor = OnnxPredictor(as_onnx(estimator), SIGNATURE)
    few = {name: tuple(values[:3]) for name, values in columns(data).items()}
    scores = [tuple(row) for row in predictor.predict(few).tolist()]
    golden = Golden(rows=few, scores=tuple(scores))
    assert codec.golden_from_json(codec.golden_to_json(golden)) == golden
    assert difference(golden, predictor) == 0.0
    first = (scores[0][0] - 0.25, *scores[0][1:])
    assert difference(Golden(rows=few, scores=(first, *scores[1:])), predictor) == pytest.approx(0.25)
    assert difference(Golden(rows=few, scores=(None, *scores[1:])), predictor) == np.inf


def test_mlflow_is_told_the_width_of_the_output(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x")
    facts = ManifestFacts(
        model="m", task="multiclass", label="y", data_digest="", code_digest="", policy_digest="",
        environment_digest="", params=(), run="run-1", created_at="2025-01-01T00:00:00Z",
    )  # fmt: skip
    said = yaml.safe_load(mlmodel.describe(tmp_path, SIGNATURE, facts=facts))["signature"]["outputs"]
    assert json.loads(said)[0]["tensor-spec"]["shape"] == [-1, 3]
