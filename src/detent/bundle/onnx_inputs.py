"""One tensor for all numbers of a row: handing over twenty tensors takes longer than a hundred trees do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

BLOCK = "_detent_numbers"  # name of the tensor, float32 `[rows, columns]`
_SIZES = "_detent_sizes"
_STANDARD = ("", "ai.onnx")  # the same operators by two names
_SPLIT_TAKES_INPUT = 13  # opset from which the sizes of a split are an input and no attribute


def of_columns(model: bytes, numbers: Sequence[str], texts: Sequence[str]) -> bytes | None:
    """Return `with_one_block` of a graph whose inputs are these columns, float32 or text, `[n, 1]` each; else None."""
    try:
        graph_model = onnx.load_from_string(model)
    except DecodeError:  # who runs it will say what is wrong with it
        return None
    graph = graph_model.graph
    wanted = {**dict.fromkeys(numbers, TensorProto.FLOAT), **dict.fromkeys(texts, TensorProto.STRING)}
    inputs = {one.name: one.type.tensor_type for one in graph.input}
    if len(numbers) < 2 or len(graph.input) != len(inputs) or inputs.keys() != wanted.keys():
        return None
    if {one.name for one in graph.initializer} & inputs.keys():  # those need not be given
        return None
    if not any(one.domain in _STANDARD for one in graph_model.opset_import):
        return None
    for name, kind in inputs.items():
        sizes = kind.shape.dim
        if kind.elem_type != wanted[name] or len(sizes) != 2 or sizes[1].dim_value != 1:
            return None
    return _blocked(graph_model, numbers)


def with_one_block(model: bytes, names: Sequence[str]) -> bytes:
    """Return the graph with its inputs `names` (float32 `[n, 1]` each) replaced by one `[n, k]`, columns in that order.

    The same numbers go into the same nodes. Where the graph only joins the inputs again, that is left out as well.
    """
    return _blocked(onnx.load_from_string(model), names)


def _blocked(graph_model: onnx.ModelProto, names: Sequence[str]) -> bytes:
    graph = graph_model.graph
    inputs = [one for one in graph.input if one.name not in names]
    del graph.input[:]
    graph.input.extend([*inputs, helper.make_tensor_value_info(BLOCK, TensorProto.FLOAT, [None, len(names)])])
    join = _only_join(graph, names)
    if join is None:
        _split(graph_model, names)
    else:
        joined = join.output[0]
        graph.node.remove(join)
        for node in graph.node:
            node.input[:] = [BLOCK if name == joined else name for name in node.input]
    return graph_model.SerializeToString()


def _only_join(graph: onnx.GraphProto, names: Sequence[str]) -> onnx.NodeProto | None:
    """Return the node that puts exactly these inputs side by side, when nothing else looks at them."""
    users = [node for node in graph.node if set(node.input) & set(names)]
    if len(users) != 1 or users[0].op_type != "Concat" or list(users[0].input) != list(names):
        return None
    axis = next((attribute.i for attribute in users[0].attribute if attribute.name == "axis"), 0)
    is_answer = users[0].output[0] in {output.name for output in graph.output}
    has_parts = any(attribute.HasField("g") for node in graph.node for attribute in node.attribute)
    return None if is_answer or has_parts or axis not in (1, -1) else users[0]


def _split(model: onnx.ModelProto, names: Sequence[str]) -> None:
    graph, ones = model.graph, [1] * len(names)
    opset = next(one.version for one in model.opset_import if one.domain in _STANDARD)
    if opset >= _SPLIT_TAKES_INPUT:
        graph.initializer.append(numpy_helper.from_array(np.array(ones, dtype=np.int64), _SIZES))
        node = helper.make_node("Split", [BLOCK, _SIZES], list(names), axis=1)
    else:
        node = helper.make_node("Split", [BLOCK], list(names), axis=1, split=ones)
    graph.node.insert(0, node)
