"""The door for MLflow: `mlflow.pyfunc.load_model(folder)` calls `_load_pyfunc` here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detent.bundle.load import load
from detent.bundle.protocol import Predictor


class PyfuncModel:
    """What MLflow wraps: the same predictor that serves, over a pandas frame."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, data: pd.DataFrame, params: object = None) -> NDArray[np.float64]:  # noqa: ARG002 - MLflow's protocol
        """Return one score per row. MLflow has checked the columns against the signature."""
        return self._predictor.predict({str(name): data[name].to_list() for name in data.columns})


def _load_pyfunc(path: str) -> PyfuncModel:
    return PyfuncModel(load(Path(path)))
