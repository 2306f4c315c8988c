"""One tensor for all numbers of a row: handing over twenty tensors takes longer than a hundred trees do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BLOCK = "_detent_numbers"  # name of the tensor, float32 `[rows, columns]`
_SIZES = "_detent_sizes"
_SPLIT_TAKES_INPUT = 13  # opset from which the sizes of a split are an input and no attribute


def with_one_block(model: bytes, names: Sequence[str]) -> bytes:
    """Return the graph with its inputs `names` (float32 `[n, 1]` each) replaced by one `[n, k]`, columns in that order.

    The same numbers go into the same nodes. Where the graph only joins the inputs again, that is left out as well.
    """
    graph_model = onnx.load_from_string(model)
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
    opset = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    if opset >= _SPLIT_TAKES_INPUT:
        graph.initializer.append(numpy_helper.from_array(np.array(ones, dtype=np.int64), _SIZES))
        node = helper.make_node("Split", [BLOCK, _SIZES], list(names), axis=1)
    else:
        node = helper.make_node("Split", [BLOCK], list(names), axis=1, split=ones)
    graph.node.insert(0, node)
