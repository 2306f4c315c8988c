"""A model behind another server, by the Open Inference Protocol V2 (Triton, KServe, MLServer) over HTTP.

Protocol: https://github.com/open-inference/open-inference-protocol; binary tensors: Triton's extension.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import numpy as np
from numpy.typing import NDArray

from detent.bundle.predictors.columns import Columns, block, count_rows, one_per_row, raised, unloadable, values_of
from detent.bundle.predictors.http import Server
from detent.bundle.trust import read_trust
from detent.errors import Place, RefusedError
from detent.project.environment import read_secret
from detent.records.project import Trust
from detent.records.signature import BOOLEAN, INTEGER, STRING, Field, Signature

FILE = "remote.json"
_HEADER_SIZE = "Inference-Header-Content-Length"
_MOST_TEXT = 64 << 10
_DTYPES = {"FP64": "<f8", "FP32": "<f4", "FP16": "<f2", "INT64": "<i8", "INT32": "<i4"}


class RemoteModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `remote.json` says."""

    url: str  # http://host:port
    model: str
    version: str = ""  # "": the one that the server chooses
    layout: str = "columns"  # "columns": a tensor [n, 1] per input | "matrix": one tensor [n, k]
    input: str = "input"  # name of the matrix
    dtype: str = "FP64"  # of the matrix: FP64 | FP32
    output: str = ""  # name of the output that holds the scores; "": the first one
    binary: bool = False  # numbers as bytes; also the only way to send NaN to a strict server
    timeout: float = 5.0  # seconds
    token_env: str = ""  # environment variable that holds a bearer token; never the token


class RemotePredictor:
    """One model of one server. Safe for several threads; a call takes as long as the server."""

    def __init__(self, model: RemoteModel, signature: Signature, *, trust: Trust) -> None:
        check_allowed(model, trust)
        if model.layout == "matrix" and any(field.kind == STRING for field in signature.inputs):
            raise unloadable(FILE, "a matrix holds numbers only, and some inputs are text", "use the layout `columns`")
        self.signature = signature
        self._model = model
        token = read_secret(model.token_env) if model.token_env else None
        self._server = Server(model.url, timeout=model.timeout, token=token)
        version = f"/versions/{quote(model.version, safe='')}" if model.version else ""
        self._path = f"/v2/models/{quote(model.model, safe='')}{version}/infer"

    @classmethod
    def open(cls, folder: Path, signature: Signature) -> RemotePredictor:
        """Read `remote.json`; nothing is sent."""
        with (folder / FILE).open("rb") as file:
            return cls(read_remote(file.read(_MOST_TEXT)), signature, trust=read_trust(folder))

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        """Return one score per row; see `Predictor.predict`."""
        rows = count_rows(columns, self.signature)
        if rows == 0:
            return np.empty(0, dtype=np.float64)
        if self._model.layout == "matrix":
            data = block(columns, self.signature.inputs, rows).T
            tensors = [(self._model.input, self._model.dtype, data)]
        else:
            tensors = [_column(field, columns, rows) for field in self.signature.inputs]
        body, headers = _request(tensors, self._model)
        response = self._server.post(self._path, body, headers)
        scores = _scores(response, self._model.output)
        return one_per_row(scores, rows, probability=self.signature.output == "probability")

    def close(self) -> None:
        """Close the connections."""
        self._server.close()


def read_remote(data: bytes) -> RemoteModel:
    """Return what a `remote.json` says.

    Raises:
        RefusedError: it says something else.
    """
    try:
        model = msgspec.json.decode(data, type=RemoteModel)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unloadable(FILE, f"it does not describe a remote model: {error}", "see `detent import --help`") from error
    if model.layout not in ("columns", "matrix") or model.dtype not in ("FP64", "FP32") or not 0 < model.timeout <= 300:
        why = f"it says layout `{model.layout}`, dtype `{model.dtype}`, timeout {model.timeout:g} s"
        raise unloadable(FILE, why, "layout is columns or matrix, dtype FP64 or FP32, timeout at most 300")
    return model


def check_allowed(model: RemoteModel, trust: Trust) -> None:
    """Refuse a server that the project's policy does not name.

    Raises:
        RefusedError: with how to allow it.
    """
    if model.url not in trust.remotes:
        raise RefusedError(
            what="the project does not allow this server to answer for a model",
            why=f"{model.url[:100]} would see every request, and its model can change without the gate",
            fix=f"if you trust it, add to detent.yaml: `trust: {{remotes: [{model.url[:100]}]}}` and import it again",
            where=Place(file="detent.yaml", field="trust.remotes"),
        )


def _column(field: Field, columns: Columns, rows: int) -> tuple[str, str, Any]:
    if field.kind == STRING:
        texts = ["" if value is None or value != value else str(value) for value in values_of(field, columns, rows)]
        return field.name, "BYTES", texts
    numbers = block(columns, (field,), rows).T
    if field.kind == INTEGER and not np.isnan(numbers).any():
        return field.name, "INT64", numbers.astype(np.int64)
    if field.kind == BOOLEAN and not np.isnan(numbers).any():
        return field.name, "BOOL", numbers.astype(np.bool_)
    return field.name, "FP64", numbers


def _request(tensors: list[tuple[str, str, Any]], model: RemoteModel) -> tuple[bytes, dict[str, str]]:
    inputs, blobs = [], []
    for name, datatype, data in tensors:
        described: dict[str, Any] = {"name": name, "datatype": datatype}
        described["shape"] = [len(data), 1] if isinstance(data, list) else list(data.shape)
        if model.binary and datatype in _DTYPES:
            blobs.append(np.ascontiguousarray(data, dtype=_DTYPES[datatype]).tobytes())
            described["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            flat = data if isinstance(data, list) else data.reshape(-1).tolist()
            described["data"] = [None if value != value else value for value in flat]  # JSON has no NaN
        inputs.append(described)
    asked: dict[str, Any] = {"inputs": inputs}
    if model.output:
        asked["outputs"] = [{"name": model.output, "parameters": {"binary_data": model.binary}}]
    elif model.binary:
        asked["parameters"] = {"binary_data_output": True}
    head = json.dumps(asked, allow_nan=False).encode()
    if not blobs:
        return head, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", _HEADER_SIZE: str(len(head))}
    return b"".join((head, *blobs)), headers


def _scores(response: httpx.Response, name: str) -> NDArray[np.float64]:
    """Return the wanted output as it is shaped."""
    try:
        body = response.content
        split = int(response.headers.get(_HEADER_SIZE, len(body)))
        outputs = json.loads(body[:split])["outputs"]
        at = split
        for output in outputs:
            size = output.get("parameters", {}).get("binary_data_size")
            begin, at = at, at + (int(size) if size is not None else 0)
            if name and output["name"] != name:
                continue
            shape = [int(length) for length in output["shape"]]
            if size is None:
                return np.array(output["data"], dtype=np.float64).reshape(shape)
            return np.frombuffer(body[begin:at], dtype=_DTYPES[output["datatype"]]).astype(np.float64).reshape(shape)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise raised(f"the server's answer is not of the protocol V2: {type(error).__name__}: {error}") from error
    raise raised(f"the server's answer has no output `{name}`" if name else "the server's answer has no outputs")
