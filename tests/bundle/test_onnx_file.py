from __future__ import annotations

import contextlib
import random
import re

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from detent.bundle import onnx_file
from detent.bundle.onnx_file import inspect_model
from detent.errors import RefusedError

from .builders import make_graph

GRAPH = make_graph().SerializeToString(deterministic=True)


def refusal(model: onnx.ModelProto) -> str:
    with pytest.raises(RefusedError) as caught:
        inspect_model(model.SerializeToString())
    return caught.value.what


def external_tensor(name: str = "_zero") -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../etc/hostname")
    return tensor


def test_a_standard_model_is_let_through() -> None:
    inspect_model(GRAPH)


def test_external_data_is_refused() -> None:
    model = make_graph()
    model.graph.initializer[0].CopyFrom(external_tensor())
    assert "other files" in refusal(model)


@pytest.mark.parametrize("part", ["entry", "location"])
def test_either_half_of_external_data_is_refused(part: str) -> None:
    model = make_graph()
    tensor = external_tensor()
    tensor.ClearField("data_location" if part == "entry" else "external_data")
    model.graph.initializer[0].CopyFrom(tensor)
    assert "other files" in refusal(model)


def test_external_data_deep_inside_a_branch_is_refused() -> None:
    model = make_graph()
    constant = helper.make_node("Constant", [], ["c"], value=external_tensor("c"))
    branch = helper.make_graph([constant], "b", [], [helper.make_tensor_value_info("c", TensorProto.FLOAT, [1])])
    model.graph.node.append(helper.make_node("If", ["_empty"], ["x"], then_branch=branch, else_branch=branch))
    assert "other files" in refusal(model)


@pytest.mark.parametrize("domain", ["com.microsoft", "evil", "ai.onnx.preview.training"])
def test_operators_of_other_domains_are_refused(domain: str) -> None:
    assert domain in refusal(make_graph(domain=domain))


def test_an_imported_domain_is_refused_even_when_no_node_uses_it() -> None:
    model = make_graph()
    model.opset_import.append(helper.make_opsetid("evil", 1))
    assert "evil" in refusal(model)


def test_local_functions_are_refused() -> None:
    model = make_graph()
    node = helper.make_node("Identity", ["x"], ["y"])
    model.functions.append(helper.make_function("", "Own", ["x"], ["y"], [node], model.opset_import))
    assert "functions" in refusal(model)


def test_graphs_nested_without_end_are_refused() -> None:
    graph = helper.make_graph([], "g", [], [])
    for _ in range(20):
        node = helper.make_node("If", ["c"], ["x"], then_branch=graph, else_branch=helper.make_graph([], "e", [], []))
        graph = helper.make_graph([node], "g", [], [])
    model = make_graph()
    model.graph.CopyFrom(graph)
    inspect_model(model.SerializeToString())
    for _ in range(8):
        node = helper.make_node("If", ["c"], ["x"], then_branch=graph)
        graph = helper.make_graph([node], "g", [], [])
    model.graph.CopyFrom(graph)
    assert "nested" in refusal(model)


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04", b"\x80\x04pickle", b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"<html>"]
)
def test_bytes_that_are_no_model_are_refused(data: bytes) -> None:
    with pytest.raises(RefusedError, match="no ONNX model"):
        inspect_model(data)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_never_crash_the_reader(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GRAPH) - 1))
    value = data.draw(st.binary(min_size=1, max_size=3))
    damaged = GRAPH[:at] + value + GRAPH[at + data.draw(st.integers(0, 3)) :]
    with contextlib.suppress(RefusedError):
        inspect_model(damaged)


def tree_like(*, behind: onnx.GraphProto | None = None) -> onnx.ModelProto:
    """Return a model with attributes like those of trees: long runs of numbers and names; `behind` follows one."""
    model = make_graph()
    node = model.graph.node[0]
    node.attribute.add(name="nodes_values", type=onnx.AttributeProto.FLOATS, floats=[i / 7 for i in range(200)])
    node.attribute.add(name="nodes_ids", type=onnx.AttributeProto.INTS, ints=[i * 997 - 50 for i in range(200)])
    names = [b"BRANCH_LEQ", b"LEAF", b"x" * 31, b"y" * 32, b"z" * 300, b""] * 9
    node.attribute.add(name="nodes_modes", type=onnx.AttributeProto.STRINGS, strings=names)
    if behind is not None:
        node.attribute[-2].g.CopyFrom(behind)
    return model


def test_a_graph_beside_a_long_run_of_numbers_is_walked_into() -> None:
    node = helper.make_node("Anything", ["x"], ["y"], domain="com.evil")
    graph = helper.make_graph([node], "inner", [], [])
    assert "com.evil" in refusal(tree_like(behind=graph))
    inspect_model(tree_like().SerializeToString())


def test_damaged_models_are_told_apart_as_if_every_field_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, dice = tree_like().SerializeToString(deterministic=True), random.Random(3)
    broken = [whole]
    for _ in range(400):
        data = bytearray(whole)
        at = dice.randrange(len(data))
        if dice.random() < 0.3:
            del data[at : at + dice.randint(1, 3)]
        else:
            data[at] = dice.randrange(256)
        broken.append(bytes(data))
    quick = [_told(data) for data in broken]
    monkeypatch.setattr(onnx_file, "_RUN", re.compile(b"(?!)"))
    assert quick == [_told(data) for data in broken]
    assert 50 < sum(told == "" for told in quick) < 400


def _told(data: bytes) -> str:
    try:
        inspect_model(data)
    except RefusedError as error:
        return f"{error.what}: {error.why}"
    return ""
