"""The two files that make a bundle a valid MLflow model. MLflow itself is not needed to write them."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

import detent
from detent.bundle.files import file_digest
from detent.records.signature import BOOLEAN, INTEGER, NUMBER, STRING, Field, Signature

# MLflow refuses a float, and so the NaN that pandas uses for null, in a "long" column: a nullable integer is a double.
_TYPES = {NUMBER: "double", INTEGER: "long", STRING: "string", BOOLEAN: "boolean"}
_NULLABLE_TYPES = {**_TYPES, INTEGER: "double", BOOLEAN: "double"}
_LOADER = (
    "detent.bundle.pyfunc"  # mlflow.onnx feeds 1-d columns and can't feed null strings, so we bring our own loader
)


def describe(folder: Path, signature: Signature, *, created_at: str) -> bytes:
    """Return the `MLmodel` file (YAML): flavours onnx and python_function, and the signature.

    Its uuid comes from the model's digest and its time from the caller, so equal models have equal bytes.
    """
    model = file_digest(folder / "model.onnx")
    content: dict[str, Any] = {
        "flavors": {
            "onnx": {
                "code": None,
                "data": "model.onnx",
                "onnx_version": metadata.version("onnx"),
                "providers": ["CPUExecutionProvider"],
            },
            "python_function": {"loader_module": _LOADER},
        },
        "model_uuid": model[:32],
        "signature": {
            "inputs": json.dumps([_column(field) for field in signature.inputs]),
            "outputs": json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]),
            "params": None,
        },
        "utc_time_created": created_at,
    }
    return yaml.safe_dump(content, sort_keys=True).encode()


def requirements() -> bytes:
    """Return `requirements.txt`: what a process needs to load the bundle through MLflow."""
    pinned = [f"{name}=={metadata.version(name)}" for name in ("numpy", "onnxruntime")]
    return ("\n".join([f"detent=={detent.__version__}", "mlflow-skinny", *pinned]) + "\n").encode()


def _column(field: Field) -> dict[str, object]:
    kind = (_NULLABLE_TYPES if field.nullable else _TYPES)[field.kind]
    return {"type": kind, "name": field.name, "required": not field.nullable}
