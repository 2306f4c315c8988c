"""Inside the confined process: read the model, which runs its code, and call it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from detent.bundle.sandbox.frames import Question, Start
from detent.records.signature import BOOLEAN, INTEGER, NUMBER, Field


def open_model(start: Start) -> Callable[[Question], bytes]:
    """Return a function from columns to the bytes of float64 scores.

    Raises:
        Exception: whatever the model raises while it is read.
    """
    call = _pyfunc(start) if (Path(start.folder) / "MLmodel").is_file() else _pickled(start)

    def answer(question: Question) -> bytes:
        frame = pd.DataFrame({field.name: _column(field, question.columns[field.name]) for field in start.inputs})
        scores = np.asarray(call(frame), dtype=np.float64)
        if start.probability and scores.shape == (question.rows, 2):
            scores = scores[:, 1]
        if scores.size != question.rows:
            raise ValueError(f"the model gave the shape {scores.shape} for {question.rows} rows")
        return np.ascontiguousarray(scores.reshape(question.rows)).tobytes()

    return answer


def _pyfunc(start: Start) -> Callable[[pd.DataFrame], Any]:
    return import_module("mlflow.pyfunc").load_model(start.folder).predict


def _pickled(start: Start) -> Callable[[pd.DataFrame], Any]:
    files = [path for path in Path(start.folder).iterdir() if path.is_file()]
    if len(files) != 1:
        raise ValueError(f"the folder holds {len(files)} files: neither an MLflow model nor one pickle")
    if files[0].suffix == ".joblib":
        model = import_module("joblib").load(files[0])
    else:
        with files[0].open("rb") as file:
            model = pickle.load(file)  # noqa: S301  (this process is made for it)
    wanted = "predict_proba" if start.probability and hasattr(model, "predict_proba") else "predict"
    predict = getattr(model, wanted, model)
    if hasattr(model, "feature_names_in_") or any(
        field.kind not in (NUMBER, INTEGER, BOOLEAN) for field in start.inputs
    ):
        return predict
    return lambda frame: predict(frame.to_numpy(dtype=np.float64))


def _column(field: Field, values: Sequence[Any]) -> Any:
    if field.kind == NUMBER or (field.kind in (INTEGER, BOOLEAN) and None in values):
        return np.array(values, dtype=np.float64)
    if field.kind == INTEGER:
        return np.array(values, dtype=np.int64)
    if field.kind == BOOLEAN:
        return np.array(values, dtype=np.bool_)
    return np.array([*values, None], dtype=object)[:-1]
