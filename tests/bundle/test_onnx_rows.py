"""Rows without nulls take calls that were prepared: they must give what the ordinary way gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from onnx import TensorProto, helper

from detent.bundle.predictors import onnx as predictors
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.records.signature import Field, Signature

NAMES = ("a", "b", "c")
SIGNATURE = Signature(inputs=tuple(Field(name=name, kind="number", nullable=True) for name in NAMES), output="number")
ROWS = np.random.default_rng(0).normal(size=(60, 3)).tolist()


def graph(output: list[str | int], steps: tuple[str, ...] = ("MatMul",)) -> bytes:
    """A weighted sum of three numbers, and what comes after it."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["0"])]
    nodes += [helper.make_node(step, [str(at)], [str(at + 1)]) for at, step in enumerate(steps[1:])]
    weights = helper.make_tensor("w", TensorProto.FLOAT, [3, 1], [1.0, -2.0, 0.5])
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, output)],
        [weights],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(made, opset_imports=opset, ir_version=8).SerializeToString()


def ordinary(predictor: OnnxPredictor, rows: list[list[float]]) -> list[float]:
    return predictor.predict(dict(zip(NAMES, zip(*rows, strict=True), strict=True))).tolist()


@pytest.mark.parametrize("steps", [("MatMul",), ("MatMul", "Flatten")])
def test_prepared_calls_of_any_size_in_any_order_give_the_ordinary_scores(steps: tuple[str, ...]) -> None:
    predictor = OnnxPredictor(graph(["n", 1], steps), SIGNATURE)
    for count in (1, 7, 1, 60, 7, 2, 1):
        for first in range(0, 60, count):
            rows = ROWS[first : first + count]
            scores = predictor.predict_rows(rows)
            assert scores is not None
            assert scores.tolist() == ordinary(predictor, rows)


def test_scores_that_were_given_out_do_not_change_with_the_next_call() -> None:
    predictor = OnnxPredictor(graph(["n", 1]), SIGNATURE)
    first = predictor.predict_rows(ROWS[:1])
    assert first is not None
    before = first.tolist()
    predictor.predict_rows(ROWS[1:2])
    assert first.tolist() == before


def test_a_null_is_left_to_the_ordinary_way_and_leaves_nothing_behind() -> None:
    predictor = OnnxPredictor(graph(["n", 1]), SIGNATURE)
    assert predictor.predict_rows([ROWS[0], [1.0, None, 2.0]]) is None
    scores = predictor.predict_rows(ROWS[:2])
    assert scores is not None
    assert scores.tolist() == ordinary(predictor, ROWS[:2])


def test_a_graph_whose_output_is_not_as_it_says_is_asked_in_the_ordinary_way() -> None:
    predictor = OnnxPredictor(graph(["m"]), SIGNATURE)  # it gives [n, 1]
    scores = predictor.predict_rows(ROWS[:1])
    assert scores is None or scores.tolist() == ordinary(predictor, ROWS[:1])


def test_two_threads_do_not_mix_their_rows() -> None:
    predictor = OnnxPredictor(graph(["n", 1]), SIGNATURE)
    wanted = [ordinary(predictor, [row]) for row in ROWS]

    def ask(at: int) -> bool:
        scores = predictor.predict_rows([ROWS[at % 60]])
        return scores is not None and scores.tolist() == wanted[at % 60]

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(ask, range(2_000)))


def test_only_some_calls_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictors, "_KEPT", 2)
    monkeypatch.setattr(predictors, "_PREPARED", 12)  # numbers: four rows
    predictor = OnnxPredictor(graph(["n", 1]), SIGNATURE)
    for count in (1, 2, 3, 4, 5, 1, 6):
        scores = predictor.predict_rows(ROWS[:count])
        assert scores is not None
        assert scores.tolist() == ordinary(predictor, ROWS[:count])
        assert len(predictor._threads.calls) <= 2
