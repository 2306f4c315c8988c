"""Save the model with MLflow, once for each kind of signature: `python mlflow_models.py FOLDER`.

By its ONNX flavour; that one takes no texts, so m2 is a Python model with the session that the other servers have.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow.onnx
import mlflow.pyfunc
import numpy as np
import onnx
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

REQUIREMENTS = ["mlflow", "onnxruntime"]
FRAME, TENSOR = "frame", "tensor"


class Mixed(mlflow.pyfunc.PythonModel):
    def load_context(self, context: object) -> None:  # noqa: ARG002
        from session import Scorer  # where it is served; it reads that place's environment

        self.score = Scorer()

    def predict(self, context: object, model_input: pd.DataFrame, params: object = None) -> pd.DataFrame:  # noqa: ARG002
        return pd.DataFrame({"y": self.score(model_input.to_numpy().tolist())})


def save_mixed(folder: Path) -> None:
    kinds = ["double"] * 12 + ["string"] * 8
    columns = Schema([ColSpec(kind, f"f{number}") for number, kind in enumerate(kinds)])
    mlflow.pyfunc.save_model(
        folder / f"mlflow-{FRAME}",
        python_model=Mixed(),
        code_paths=[str(Path(__file__).parent / "session.py")],
        signature=ModelSignature(inputs=columns),
        pip_requirements=REQUIREMENTS,
    )


def save_onnx(folder: Path, kind: str) -> None:
    columns = Schema([ColSpec("double", f"f{number}") for number in range(20)])
    tensor = Schema([TensorSpec(np.dtype("float32"), (-1, 20))])
    mlflow.onnx.save_model(
        onnx.load(folder / "model.onnx"),
        folder / f"mlflow-{kind}",
        signature=ModelSignature(inputs=columns if kind == FRAME else tensor),
        pip_requirements=REQUIREMENTS,
        onnx_execution_providers=["CPUExecutionProvider"],
        onnx_session_options={"intra_op_num_threads": 1, "inter_op_num_threads": 1},
    )


if __name__ == "__main__":
    models = Path(sys.argv[1])
    if models.name == "m2":
        if not (models / f"mlflow-{FRAME}").exists():
            save_mixed(models)
    else:
        for kind in (FRAME, TENSOR):
            if not (models / f"mlflow-{kind}").exists():
                save_onnx(models, kind)
