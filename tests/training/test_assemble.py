from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from detent.errors import StepError
from detent.training.assemble import assemble
from detent.training.model import Model
from detent.training.table import tabulate

from .conftest import EXCLUDE


@pytest.mark.parametrize("gap", [2e-4, float("nan")])
def test_a_graph_that_differs_from_the_trained_model_is_refused(train: pl.DataFrame, model: Model, gap: float) -> None:
    table = tabulate(train, label="late", exclude=EXCLUDE, task="binary")
    exact: list[np.ndarray] = []

    def native(rows: np.ndarray) -> np.ndarray:
        return exact[0][rows] + (gap if len(exact) == 2 else 0.0)

    from detent.bundle.predictors.onnx import OnnxPredictor
    from detent.training.table import columns_of

    exact.append(OnnxPredictor(model.onnx, model.signature).predict(columns_of(table.inputs, table.signature)))
    assemble(model.onnx, table, native=native, params={})
    exact.append(exact[0])
    with pytest.raises(StepError, match="does not give the scores"):
        assemble(model.onnx, table, native=native, params={})
