"""A fitted scikit-learn estimator, converted by skl2onnx, inside a graph of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import version_converter
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
from sklearn.base import BaseEstimator

from detent.errors import DataError
from detent.training.export.onnx import ML, ML_OPSET, OPSET, PREFIX, Graph

_INPUT = "matrix"
_INSIDE = f"{PREFIX}estimator/"  # before every name in the estimator's part


def add_estimator(
    graph: Graph, estimator: BaseEstimator, matrix: str, *, width: int, classifier: bool, classes: int = 0
) -> str:
    """Add the estimator behind the tensor `matrix` ([n, width] float32) and return its score's name.

    The score is [n, 1]; with `classes` (three or more) it is [n, classes].

    Raises:
        DataError: skl2onnx has no converter for it, or needs operators beyond the standard ones.
    """
    model = _convert(estimator, width=width, classifier=classifier)
    inner = model.graph
    _rename(inner, {_INPUT: matrix})
    graph.nodes.extend(inner.node)
    graph.constants.extend(inner.initializer)
    if not classifier:
        shape = graph.constant(np.array([-1, 1], dtype=np.int64))
        return graph.add("Reshape", inner.output[0].name, shape)
    if classes:
        return inner.output[1].name
    column = graph.constant(np.array([1], dtype=np.int64))
    return graph.add("Gather", inner.output[1].name, column, axis=1)


def _convert(estimator: BaseEstimator, *, width: int, classifier: bool) -> onnx.ModelProto:
    options: dict[int, dict[str, Any]] = {id(estimator): {"zipmap": False}} if classifier else {}
    try:
        model: Any = convert_sklearn(
            estimator,
            name="estimator",  # without a name skl2onnx makes up a uuid
            initial_types=[(_INPUT, FloatTensorType([None, width]))],
            options=options,
            target_opset={"": OPSET, ML: ML_OPSET},
        )
    except (
        MissingConverter,
        MissingShapeCalculator,
        NotImplementedError,
        RuntimeError,
        ValueError,
        NameError,
    ) as error:
        raise _unsupported(estimator, str(error.__cause__ or error)[:300]) from error
    domains = {imported.domain for imported in model.opset_import} - {"", "ai.onnx", ML}
    if domains or model.functions:
        raise _unsupported(estimator, f"it needs operators of {', '.join(sorted(domains)) or 'its own'}")
    if next(imported.version for imported in model.opset_import if imported.domain in ("", "ai.onnx")) != OPSET:
        model = version_converter.convert_version(model, OPSET)
    return model


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Number every name in the order in which it is met, also in graphs inside of nodes.

    skl2onnx counts some names on from one conversion to the next, so the same model would get other bytes.
    """

    def numbered(name: str) -> str:
        return names.setdefault(name, f"{_INSIDE}{len(names)}") if name else name

    for node in graph.node:
        node.name = f"{_INSIDE}n{len(names)}"
        node.doc_string = ""
        node.input[:] = [numbered(name) for name in node.input]
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                inner.name = "body"
                _rename(inner, names)
        node.output[:] = [numbered(name) for name in node.output]
    for named in (*graph.input, *graph.output, *graph.initializer):
        named.name = numbered(named.name)
    del graph.value_info[:]


def _unsupported(estimator: BaseEstimator, why: str) -> DataError:
    return DataError(
        what=f"{type(estimator).__name__} can't be exported to ONNX",
        why=why,
        fix="use `detent.lightgbm` for trees, or an estimator of https://onnx.ai/sklearn-onnx/supported.html",
    )
