"""What the Open Inference Protocol V2 and MLflow's scoring server say about themselves and their models."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import metadata

import msgspec

import detent
from detent.records.signature import Field
from detent.serving.formats.format import JSON, Reply
from detent.serving.formats.tensors import DATATYPE_OF
from detent.serving.formats.v2 import LABEL, OUTPUT
from detent.serving.predict.endpoints import Endpoint, Endpoints
from detent.serving.problems import Problem

_TEXT = b"text/plain; charset=utf-8"


def server() -> Reply:
    """Say who answers and which extensions of V2 are understood."""
    said = {"name": "detent", "version": detent.__version__, "extensions": ["binary_tensor_data"]}
    return _json(200, said)


def live() -> Reply:
    """Say that the process answers."""
    return _json(200, {"live": True})


def ready(endpoints: Endpoints) -> Reply:
    """Say whether every endpoint has a version that answers: 200 or 503."""
    waiting = endpoints.missing()
    return _json(503 if waiting else 200, {"ready": not waiting})


def model(endpoints: Endpoints, name: str, version: int | None) -> Reply:
    """Describe an endpoint: its versions, its inputs after the signature, its one output.

    Raises:
        Problem: 404 for an unknown name or version, 503 when nothing is deployed.
    """
    endpoint = endpoints.find(name)
    inputs = [
        {"name": field.name, "datatype": DATATYPE_OF[field.kind], "shape": [-1]}
        for field in fields_of(endpoint, _known(endpoint, version))
    ]
    said = {
        "name": endpoint.route.endpoint,
        "versions": [str(number) for number in sorted(_answering(endpoint))],
        "platform": "detent",
        "inputs": inputs,
        "outputs": _outputs(endpoint),
    }
    return _json(200, said)


def _outputs(endpoint: Endpoint) -> list[dict[str, object]]:
    if not endpoint.classes:
        return [{"name": OUTPUT, "datatype": "FP64", "shape": [-1]}]
    return [
        {"name": OUTPUT, "datatype": "FP64", "shape": [-1, len(endpoint.classes)]},
        {"name": LABEL, "datatype": "BYTES", "shape": [-1]},
    ]


def model_ready(endpoints: Endpoints, name: str, version: int | None) -> Reply:
    """Say whether an endpoint, or one version of it, can answer in this process: 200 or 503.

    Raises:
        Problem: 404 for an unknown name or version, 503 when nothing is deployed.
    """
    endpoint = endpoints.find(name)
    version = _known(endpoint, version)
    is_ready = bool(endpoint.readers) if version is None else version in endpoint.versions
    return _json(200 if is_ready else 503, {"name": endpoint.route.endpoint, "ready": is_ready})


def ping(endpoints: Endpoints) -> Reply:
    """Answer as MLflow's scoring server does when it has a model; 503 while a version is missing."""
    return Reply(503 if endpoints.missing() else 200, _TEXT, b"\n")


@cache
def scoring_version() -> Reply:
    """Name the MLflow whose scoring protocol is spoken."""
    return Reply(200, _TEXT, metadata.version("mlflow-skinny").encode())


def fields_of(endpoint: Endpoint, version: int | None) -> list[Field]:
    """Return the inputs of one version, or of all that answer: each name once, in the order of the oldest version."""
    numbers = sorted(_answering(endpoint) & endpoint.versions.keys()) if version is None else [version]
    found: dict[str, Field] = {}
    for number in numbers:
        loaded = endpoint.versions.get(number)
        for field in () if loaded is None else loaded.reader.signature.inputs:
            found.setdefault(field.name, field)
    return list(found.values())


def _known(endpoint: Endpoint, version: int | None) -> int | None:
    if version is None or version in _answering(endpoint):
        return version
    raise Problem(
        404,
        "unknown-version",
        what=f"version {version} does not answer at `{endpoint.route.endpoint}`",
        why="its route does not lead there",
        fix=f"look at /v2/models/{endpoint.route.endpoint} for the versions that do",
    )


def _answering(endpoint: Endpoint) -> set[int]:
    return {arm.version for arm in endpoint.route.arms}


def _json(status: int, said: Mapping[str, object]) -> Reply:
    return Reply(status, JSON, msgspec.json.encode(said))
