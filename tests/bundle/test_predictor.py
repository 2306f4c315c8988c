from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import polars as pl
import pytest
from onnx import helper

from detent.bundle.golden import replay
from detent.bundle.load import load
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.bundle.protocol import PredictionError
from detent.errors import DataError, RefusedError, TamperedError

from .builders import SIGNATURE, expected, make_graph

ROWS = {"temp": [1.5, None, math.nan], "hour": [7, 8, 9], "origin": ["JFK", None, "nowhere"]}
SCORES = [expected(1.5, 7, 0.5), expected(None, 8, 0.25), expected(None, 9, 0.0)]


def test_scores_come_in_order_with_nulls_and_unknown_categories(bundle: Path) -> None:
    scores = load(bundle).predict(ROWS)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, SCORES, atol=1e-6)


def test_lists_arrays_and_series_give_the_same_scores(graph: bytes) -> None:
    predictor = OnnxPredictor(graph, SIGNATURE)
    frame = pl.DataFrame(ROWS, strict=False)
    series = {name: frame[name] for name in frame.columns}
    pandas = pd.DataFrame(ROWS)
    arrays = {"temp": np.array([1.5, np.nan, np.nan]), "hour": np.array([7, 8, 9]), "origin": ["JFK", "", "nowhere"]}
    for columns in (series, arrays, {name: pandas[name].tolist() for name in pandas}):
        np.testing.assert_array_equal(predictor.predict(columns), predictor.predict(ROWS))


def test_a_batch_and_single_rows_give_the_same_scores(graph: bytes) -> None:
    predictor = OnnxPredictor(graph, SIGNATURE)
    singles = [predictor.predict({name: [values[row]] for name, values in ROWS.items()})[0] for row in range(3)]
    np.testing.assert_array_equal(predictor.predict(ROWS), singles)


def test_a_nullable_column_may_be_missing_and_others_may_not(graph: bytes) -> None:
    predictor = OnnxPredictor(graph, SIGNATURE)
    np.testing.assert_allclose(predictor.predict({"hour": [8]}), [expected(None, 8, 0.25)], atol=1e-6)
    with pytest.raises(DataError, match="`hour`"):
        predictor.predict({"temp": [1.0], "origin": ["JFK"]})


def test_no_rows_give_no_scores(graph: bytes) -> None:
    assert OnnxPredictor(graph, SIGNATURE).predict({"temp": [], "hour": [], "origin": []}).shape == (0,)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("temp", ["warm"]),
        ("hour", [[1, 2]]),
        ("hour", [10**400]),
        ("origin", [7]),
        ("origin", [b"JFK"]),
        ("hour", [1, 2]),
    ],
)
def test_a_column_that_does_not_fit_is_an_error_that_names_it(graph: bytes, column: str, values: list) -> None:
    with pytest.raises(DataError, match=f"`{column}`"):
        OnnxPredictor(graph, SIGNATURE).predict({"temp": [1.0], "hour": [1], "origin": ["JFK"], column: values})


def test_a_string_column_of_another_length_is_named(graph: bytes) -> None:
    with pytest.raises(DataError, match="`origin`"):
        OnnxPredictor(graph, SIGNATURE).predict({"temp": [1.0, 2.0], "hour": [1, 2], "origin": ["JFK"]})


def test_a_model_that_raises_is_a_prediction_error_with_a_bounded_message() -> None:
    model = make_graph()
    index = helper.make_tensor("_index", onnx.TensorProto.INT64, [1], [5])
    model.graph.initializer.append(index)
    model.graph.node.append(helper.make_node("Gather", ["score", "_index"], ["broken" + "x" * 5000], axis=1))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("broken" + "x" * 5000, onnx.TensorProto.FLOAT, [None, 1]))
    predictor = OnnxPredictor(model.SerializeToString(), SIGNATURE)
    with pytest.raises(PredictionError) as caught:
        predictor.predict(ROWS)
    assert len(str(caught.value)) < 1000


def test_a_model_with_other_inputs_than_its_signature_is_refused(graph: bytes) -> None:
    fewer = type(SIGNATURE)(inputs=SIGNATURE.inputs[:2], output="probability")
    with pytest.raises(RefusedError, match="can't be loaded"):
        OnnxPredictor(graph, fewer)


def test_golden_rows_replay_exactly_and_show_another_model(bundle: Path) -> None:
    assert replay(bundle, load(bundle)) == 0.0
    model = make_graph()
    model.graph.initializer[1].float_data[0] = 0.3
    other = OnnxPredictor(model.SerializeToString(), SIGNATURE)
    assert replay(bundle, other) > 0.01


def test_a_bundle_without_golden_rows_can_not_be_replayed(bundle: Path) -> None:
    predictor = load(bundle)
    (bundle / "golden.json").unlink()
    with pytest.raises(TamperedError, match="golden rows"):
        replay(bundle, predictor)
