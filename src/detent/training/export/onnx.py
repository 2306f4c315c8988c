"""Build one ONNX graph: a column per input, preprocessing, the model, one score per row (or one per class)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from detent.records.signature import STRING, Signature

ML = "ai.onnx.ml"
OPSET, ML_OPSET, IR = 18, 3, 8
PREFIX = "_/"  # of every name inside the graph, so that no column of a user can meet it
SCORE = PREFIX + "score"


class Graph:
    """A graph under construction: nodes and constants in the order they were added, named by their number."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, domain: str = "", output: str | None = None, **attributes: Any) -> str:
        """Add an operator with one output and return the output's name."""
        name = output or f"{PREFIX}{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(operator, inputs, [name], name=f"{PREFIX}n{len(self.nodes)}", domain=domain, **attributes)
        )
        return name

    def constant(self, value: NDArray[Any]) -> str:
        """Add a constant tensor and return its name."""
        name = f"{PREFIX}c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def finish(self, score: str, signature: Signature) -> bytes:
        """Return the serialised model. `score` is a tensor of shape [n, 1], of several classes [n, k]."""
        self.add("Identity", score, output=SCORE)
        inputs = [
            helper.make_tensor_value_info(
                field.name, TensorProto.STRING if field.kind == STRING else TensorProto.FLOAT, ["n", 1]
            )
            for field in signature.inputs
        ]
        output = helper.make_tensor_value_info(SCORE, TensorProto.FLOAT, ["n", len(signature.classes) or 1])
        graph = helper.make_graph(self.nodes, "detent", inputs, [output], self.constants)
        model = helper.make_model(
            graph,
            producer_name="detent",
            ir_version=IR,
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)],
        )
        onnx.checker.check_model(model)
        return model.SerializeToString(deterministic=True)


def concat(graph: Graph, names: Sequence[str]) -> str:
    """Join [n, k] tensors side by side."""
    return names[0] if len(names) == 1 else graph.add("Concat", *names, axis=1)


def reopen(data: bytes) -> tuple[Graph, str]:
    """Return a finished graph, open for more nodes behind its score, and the score's name."""
    proto = onnx.load_model_from_string(data).graph
    graph = Graph()
    graph.nodes = [node for node in proto.node if SCORE not in node.output]
    graph.constants = list(proto.initializer)
    return graph, next(node.input[0] for node in proto.node if SCORE in node.output)
