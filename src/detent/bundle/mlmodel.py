"""The two files that make a bundle a valid MLflow model. MLflow itself is not needed to write them."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

import detent
from detent.bundle.facts import ManifestFacts
from detent.bundle.files import MODEL_FILES, file_digest, list_files
from detent.records.signature import BOOLEAN, INTEGER, NUMBER, STRING, Field, Signature
from detent.store.canonical import digest_of

# MLflow refuses a float, and so the NaN that pandas uses for null, in a "long" column: a nullable integer is a double.
_TYPES = {NUMBER: "double", INTEGER: "long", STRING: "string", BOOLEAN: "boolean"}
_NULLABLE_TYPES = {**_TYPES, INTEGER: "double", BOOLEAN: "double"}
_ONNX = {
    "code": None,
    "data": "model.onnx",
    "onnx_version": metadata.version("onnx"),
    "providers": ["CPUExecutionProvider"],
}
_MODULES = {"scikit-learn": "sklearn"}  # packages whose module has another name
_ALSO = {"xgboost": ("xgboost-cpu",)}  # other names that a package is installed by
_LOADER = (
    "detent.bundle.pyfunc"  # mlflow.onnx feeds 1-d columns and can't feed null strings, so we bring our own loader
)


# Packages, besides numpy, that each predictor runs on.
_PACKAGES: dict[str, tuple[str, ...]] = {
    "onnx": ("onnxruntime",),
    "lightgbm": ("lightgbm",),
    "xgboost": ("xgboost",),
    "skops": ("skops", "scikit-learn", "pandas"),
    "torch": ("torch",),
    "sandbox": ("pandas",),
    "remote": ("httpx",),
}


def describe(folder: Path, signature: Signature, *, facts: ManifestFacts) -> bytes:
    """Return the `MLmodel` file (YAML): flavour python_function, for an ONNX model also onnx, and the signature.

    Its uuid comes from the model's digest and its time from the caller, so equal models have equal bytes.
    """
    own = [name for name in list_files(folder) if name in MODEL_FILES.get(facts.predictor, ()) or "/" in name]
    digests = {name: file_digest(folder / name) for name in own}
    onnx: dict[str, Any] = {"onnx": _ONNX} if facts.predictor == "onnx" else {}
    content: dict[str, Any] = {
        "flavors": {
            **onnx,
            "python_function": {"loader_module": _LOADER},
        },
        "model_uuid": (next(iter(digests.values())) if len(digests) == 1 else digest_of(digests))[:32],
        "signature": {
            "inputs": json.dumps([_column(field) for field in signature.inputs]),
            "outputs": json.dumps([{"type": "tensor", "tensor-spec": _output(signature)}]),
            "params": None,
        },
        "utc_time_created": facts.created_at,
    }
    return yaml.safe_dump(content, sort_keys=True).encode()


def _output(signature: Signature) -> dict[str, object]:
    return {"dtype": "float64", "shape": [-1, len(signature.classes)] if signature.classes else [-1]}


def requirements(predictor: str) -> bytes:
    """Return `requirements.txt`: what a process needs to load the bundle through MLflow."""
    packages = ("numpy", *_PACKAGES.get(predictor, ()))
    pinned = [_pin(name) for name in packages if find_spec(_MODULES.get(name, name))]
    return ("\n".join([f"detent=={detent.__version__}", "mlflow-skinny", *pinned]) + "\n").encode()


def _pin(package: str) -> str:
    """Return a package with its installed version, under the name that it was installed by."""
    for name in (package, *_ALSO.get(package, ())):
        with suppress(metadata.PackageNotFoundError):
            return f"{name}=={metadata.version(name)}"
    return package


def _column(field: Field) -> dict[str, object]:
    kind = (_NULLABLE_TYPES if field.nullable else _TYPES)[field.kind]
    return {"type": kind, "name": field.name, "required": not field.nullable}
