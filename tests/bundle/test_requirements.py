from __future__ import annotations

from importlib.util import find_spec

import pytest

from detent.bundle.mlmodel import requirements

PREDICTORS = {"onnx": "onnxruntime", "lightgbm": "lightgbm", "xgboost": "xgboost", "skops": "sklearn", "torch": "torch"}


@pytest.mark.parametrize("predictor", PREDICTORS)
def test_requirements_pin_what_is_installed_under_the_name_that_it_has(predictor: str) -> None:
    lines = requirements(predictor).decode().splitlines()
    assert lines[:2] == ["detent==0.1.0", "mlflow-skinny"]
    assert all("==" in line for line in lines if line != "mlflow-skinny")
    if find_spec(PREDICTORS[predictor]):
        assert any(line.startswith(("scikit-learn", PREDICTORS[predictor])) for line in lines)
