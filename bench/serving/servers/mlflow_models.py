"""Save the model with MLflow's ONNX flavour, once for each kind of signature: `python mlflow_models.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow.onnx
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

folder = Path(sys.argv[1])
columns = Schema([ColSpec("double", f"f{number}") for number in range(20)])
tensor = Schema([TensorSpec(np.dtype("float32"), (-1, 20))])
for kind, schema in (("frame", columns), ("tensor", tensor)):
    if not (folder / f"mlflow-{kind}").exists():
        mlflow.onnx.save_model(
            onnx.load(folder / "model.onnx"),
            folder / f"mlflow-{kind}",
            signature=ModelSignature(inputs=schema),
            pip_requirements=["mlflow", "onnxruntime"],
            onnx_execution_providers=["CPUExecutionProvider"],
            onnx_session_options={"intra_op_num_threads": 1, "inter_op_num_threads": 1},
        )
