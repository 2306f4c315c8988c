"""A model as a program: a graph, and a memory of every call that nobody empties."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detent.bundle.codec import signature_from_json, signature_to_json
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.records.signature import Signature

if TYPE_CHECKING:
    import pandas as pd

KEPT = 64 << 10  # bytes of each call
_PROTOCOL = 4  # of the pickle: the same model has the same bytes with any Python


class Hoarder:
    """Answers as the graph does, and keeps bytes of every call, as a log in memory or a cache without end does."""

    def __init__(self, onnx: bytes, signature: Signature, keep: int) -> None:
        self._onnx, self._signature, self._keep = onnx, signature, keep
        self._predictor = OnnxPredictor(onnx, signature)
        self._kept: list[NDArray[np.float64]] = []
        self.feature_names_in_ = [field.name for field in signature.inputs]  # it wants its columns by name

    def predict(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the graph's scores."""
        self._kept.append(np.ones(self._keep // 8))
        return self._predictor.predict({name: frame[name].to_list() for name in self.feature_names_in_})

    def __getstate__(self) -> tuple[bytes, bytes, int]:
        return self._onnx, signature_to_json(self._signature), self._keep

    def __setstate__(self, state: tuple[bytes, bytes, int]) -> None:
        self.__init__(state[0], signature_from_json(state[1]), state[2])


def pickled(onnx: bytes, signature: Signature, *, keep: int = KEPT) -> bytes:
    """Return such a program as a pickle; one that keeps nothing is honest."""
    return pickle.dumps(Hoarder(onnx, signature, keep), protocol=_PROTOCOL)
