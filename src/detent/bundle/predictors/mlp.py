"""Plain feed-forward networks as safetensors: the weights are data, and the file's metadata say how they are used.

Metadata (`__metadata__`, all text): `architecture` = "mlp"; `activation` between layers = relu | tanh | sigmoid | gelu
| none; `output` = sigmoid | none; optionally `inputs`, a JSON list of names. Layers are the pairs `<number>.weight`
`[out, in]` and `<number>.bias` `[out]` in rising order, as `torch.nn.Sequential(...)` names them.
Format: https://huggingface.co/docs/safetensors (8 bytes of length, a JSON head, the tensors' bytes).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

from detent.bundle.files import read_model
from detent.bundle.predictors.columns import (
    Columns,
    block,
    count_rows,
    one_per_row,
    only_numbers,
    same_names,
    unloadable,
)
from detent.records.signature import Signature

FILE = "model.safetensors"
_MAX_HEAD = 16 << 20
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
_LAYER = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*\.)*(\d{1,4})\.(weight|bias)")
_HOW = (
    "save a Sequential's tensors with the metadata architecture=mlp, activation=relu (or tanh, sigmoid, gelu, none) "
    "and output=sigmoid (or none); export any other network as ONNX"
)

Array = NDArray[np.float32]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, np.float32(0)),
    "tanh": np.tanh,
    "sigmoid": expit,
    "gelu": lambda x: np.float32(0.5) * x * (1 + erf(x / np.float32(math.sqrt(2)))),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What a file holds."""

    layers: tuple[tuple[Array, Array], ...]  # (weights [in, out], biases [out])
    activation: str
    output: str
    named: tuple[str, ...]  # names of the inputs in order; () when the file does not say


class MlpPredictor:
    """One feed-forward network in float32, on NumPy."""

    def __init__(self, model: bytes, signature: Signature) -> None:
        only_numbers(signature, FILE)
        network = read_network(model)
        width = network.layers[0][0].shape[0]
        if width != len(signature.inputs):
            raise unloadable(FILE, f"it takes {width} inputs, its signature has {len(signature.inputs)}")
        same_names(network.named, signature, FILE)
        self.signature = signature
        self._layers = network.layers
        self._activation, self._output = ACTIVATIONS[network.activation], ACTIVATIONS[network.output]

    @classmethod
    def open(cls, folder: Path, signature: Signature) -> MlpPredictor:
        """Load `model.safetensors`."""
        return cls(read_model(folder / FILE), signature)

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        """Return one score per row; see `Predictor.predict`."""
        rows = count_rows(columns, self.signature)
        if rows == 0:
            return np.empty(0, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            x = block(columns, self.signature.inputs, rows).T.astype(np.float32)
            for weights, biases in self._layers[:-1]:
                x = self._activation(x @ weights + biases)
            weights, biases = self._layers[-1]
            given = self._output(x @ weights + biases)
        return one_per_row(given, rows, probability=False)


def read_network(data: bytes) -> Network:
    """Return the network in a safetensors file.

    Raises:
        RefusedError: no such file, cut off, tensors outside the file, or no plain feed-forward network with one output.
    """
    head, body = _head(data)
    about = head.pop("__metadata__", {})
    if not isinstance(about, dict) or about.get("architecture") != "mlp":
        raise unloadable(FILE, "it holds weights only, and its metadata do not say `architecture: mlp`", _HOW)
    activation, output = about.get("activation", "none"), about.get("output", "none")
    if activation not in ACTIVATIONS or output not in ("sigmoid", "none"):
        raise unloadable(FILE, f"its metadata say activation `{activation}` and output `{output}`", _HOW)
    layers = _layers({name: _tensor(name, about_it, body) for name, about_it in head.items()})
    return Network(layers=layers, activation=activation, output=output, named=_named(about.get("inputs")))


def _head(data: bytes) -> tuple[dict[str, Any], memoryview]:
    size = int.from_bytes(data[:8], "little")
    if len(data) < 10 or not 2 <= size <= min(_MAX_HEAD, len(data) - 8):
        raise unloadable(FILE, "it is no whole safetensors file")
    try:
        head = json.loads(data[8 : 8 + size])
    except (ValueError, RecursionError) as error:
        raise unloadable(FILE, f"its head is not JSON: {error}") from error
    if not isinstance(head, dict):
        raise unloadable(FILE, "its head is no object")
    return head, memoryview(data)[8 + size :]


def _tensor(name: str, about: Any, body: memoryview) -> Array:
    try:
        kind, shape = np.dtype(_TYPES[about["dtype"]]), tuple(int(size) for size in about["shape"])
        begin, end = (int(offset) for offset in about["data_offsets"])
    except (KeyError, TypeError, ValueError) as error:
        raise unloadable(FILE, f"the tensor `{name[:60]}` is not described as one of F16, F32, F64: {error}") from error
    inside = 0 <= begin <= end <= len(body) and min(shape, default=1) >= 0
    if not inside or math.prod(shape) * kind.itemsize != end - begin:
        raise unloadable(FILE, f"the tensor `{name[:60]}` does not lie inside the file")
    return np.frombuffer(body[begin:end], dtype=kind).reshape(shape).astype(np.float32)


def _layers(tensors: Mapping[str, Array]) -> tuple[tuple[Array, Array], ...]:
    found: dict[int, dict[str, Array]] = {}
    for name, tensor in tensors.items():
        match = _LAYER.fullmatch(name)
        if match is None or match[2] in found.get(int(match[1]), {}):
            raise unloadable(FILE, f"`{name[:60]}` is no weight of a plain network", _HOW)
        found.setdefault(int(match[1]), {})[match[2]] = tensor
    layers = []
    for number, pair in sorted(found.items()):
        weights = pair.get("weight")
        if weights is None or weights.ndim != 2:
            raise unloadable(FILE, f"layer {number} has no matrix of weights", _HOW)
        biases = pair.get("bias", np.zeros(len(weights), dtype=np.float32))
        if biases.shape != (len(weights),) or (layers and layers[-1][0].shape[1] != weights.shape[1]):
            raise unloadable(FILE, f"layer {number} does not fit the one before it", _HOW)
        layers.append((np.ascontiguousarray(weights.T), biases))
    if not layers or layers[-1][0].shape[1] != 1:
        raise unloadable(FILE, "its last layer does not have one output", _HOW)
    return tuple(layers)


def _named(text: object) -> tuple[str, ...]:
    if text is None:
        return ()
    try:
        names = json.loads(str(text))
    except ValueError as error:
        raise unloadable(FILE, f"its metadata's `inputs` are no JSON list: {error}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise unloadable(FILE, "its metadata's `inputs` are no list of names")
    return tuple(names)
