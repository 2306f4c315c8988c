"""The last part of every training: prove that the exported graph is the model, then describe it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from detent.bundle.predictors.onnx import OnnxPredictor
from detent.errors import StepError
from detent.statistics.summaries import summarise
from detent.training.golden import choose_golden
from detent.training.model import Model
from detent.training.table import OUTPUT, Table, columns_of

PARITY_ROWS = 2_000
PARITY = 1e-4  # largest difference of a probability; for values, relative to values beyond 1


def assemble(
    onnx: bytes,
    table: Table,
    *,
    native: Callable[[NDArray[np.int64]], NDArray[np.float64]] | None,
    params: Mapping[str, object],
    notes: tuple[str, ...] = (),
) -> Model:
    """Return the Model around an exported graph.

    `native(rows)` gives the original model's scores of the training rows with these numbers; None when the graph is the
    only model.

    Raises:
        StepError: graph and native model disagree.
        PredictionError: the graph raises.
    """
    predictor = OnnxPredictor(onnx, table.signature)
    columns = columns_of(table.inputs, table.signature)
    scores = predictor.predict(columns)
    if native is not None:
        rows = np.unique(np.linspace(0, len(scores) - 1, min(PARITY_ROWS, len(scores))).round().astype(np.int64))
        _check_parity(scores[rows], native(rows))
    kinds = [(field.name, field.kind) for field in table.signature.inputs]
    observed = {name: table.inputs[name] for name, _ in kinds}
    shown = scores if scores.ndim == 1 else scores.max(axis=1)  # of several classes: how sure the model is
    profile = summarise({**observed, OUTPUT: shown}, [*kinds, (OUTPUT, "number")], bins=20, levels=50)  # pyright: ignore[reportArgumentType]
    return Model(
        onnx=onnx,
        signature=table.signature,
        profile=profile,
        golden=choose_golden(table.inputs, scores, predictor),
        task=table.task,
        label=table.label,
        params=tuple(sorted((name, str(value)) for name, value in params.items())),
        notes=(*table.notes, *notes),
    )


def _check_parity(exported: NDArray[np.float64], native: NDArray[np.float64]) -> None:
    gaps = np.abs(exported - native) / np.maximum(1.0, np.abs(native))
    worst = float(np.nan_to_num(gaps, nan=np.inf, posinf=np.inf).max())
    if worst > PARITY:
        raise StepError(
            what="the exported graph does not give the scores of the trained model",
            why=f"the largest difference over {len(native)} training rows is {worst:.2g}; {PARITY:g} is allowed",
            fix="use another estimator or scale large features down: the graph computes with 32-bit floats",
        )
