"""Graphs whose numbers are put into one tensor: only those that are known to stay the same are opened at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from detent.bundle.onnx_inputs import BLOCK, of_columns, with_one_block
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.errors import RefusedError

from .builders import SIGNATURE, make_graph

NUMBERS, TEXTS = ("temp", "hour"), ("origin",)


def test_a_graph_of_columns_is_opened_with_one_tensor_for_its_numbers() -> None:
    model = make_graph().SerializeToString()
    blocked = of_columns(model, NUMBERS, TEXTS)
    assert blocked is not None
    assert blocked == with_one_block(model, NUMBERS)
    assert [one.name for one in onnx.load_from_string(blocked).graph.input] == ["origin", BLOCK]


def _other_shape(model: onnx.ModelProto) -> None:
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("temp", TensorProto.FLOAT, [None]))


def _other_type(model: onnx.ModelProto) -> None:
    model.graph.input[1].CopyFrom(helper.make_tensor_value_info("hour", TensorProto.DOUBLE, [None, 1]))


def _one_more(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [None, 1]))


def _with_a_default(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("temp", TensorProto.FLOAT, [1, 1], [2.0]))


def _no_standard_operators(model: onnx.ModelProto) -> None:
    del model.opset_import[0]


@pytest.mark.parametrize("change", [_other_shape, _other_type, _one_more, _with_a_default, _no_standard_operators])
def test_any_other_graph_is_looked_at_as_it_is(change: Callable[[onnx.ModelProto], None]) -> None:
    model = make_graph()
    change(model)
    assert of_columns(model.SerializeToString(), NUMBERS, TEXTS) is None


def test_a_single_number_and_bytes_that_are_no_model_are_left_to_the_runtime() -> None:
    model = make_graph().SerializeToString()
    assert of_columns(model, NUMBERS[:1], TEXTS) is None
    assert of_columns(b"\x0a\xff", NUMBERS, TEXTS) is None


def test_a_graph_that_can_not_run_is_refused_however_it_is_opened() -> None:
    model = make_graph()
    model.graph.node[2].input[1] = "nobody made this"
    assert of_columns(model.SerializeToString(), NUMBERS, TEXTS) is not None
    with pytest.raises(RefusedError, match="can't be loaded"):
        OnnxPredictor(model.SerializeToString(), SIGNATURE)


def test_both_ways_of_opening_give_the_same_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_graph().SerializeToString()
    rows = {"temp": [1.5, None, -3.0], "hour": [7, 8, 9], "origin": ["JFK", "LGA", None]}
    at_once = OnnxPredictor(model, SIGNATURE).predict(rows)
    monkeypatch.setattr("detent.bundle.predictors.onnx.of_columns", lambda *_: None)
    np.testing.assert_array_equal(OnnxPredictor(model, SIGNATURE).predict(rows), at_once)
