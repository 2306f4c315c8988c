"""NumPy arrays as npy files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from detent.errors import DataError
from detent.pipeline.artifacts import NPY, Artifact
from detent.store.blobs import Blobs


def dump(value: np.ndarray[Any, Any], blobs: Blobs) -> Artifact:
    """Store an array, in C order whatever its order in memory: equal arrays give equal bytes."""
    if type(value) is not np.ndarray or value.dtype.hasobject:
        raise DataError(
            what=f"an array of type {type(value).__name__}[{value.dtype}] can't be an output of a step",
            why="npy files hold plain arrays of numbers, texts and times; masks and Python objects would be lost",
            fix="return a Polars frame, or a plain array (a mask as an array of its own)",
        )
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(value, order="C"), allow_pickle=False)
    return Artifact(digest=blobs.put(buffer.getvalue()), kind=NPY)


def load(artifact: Artifact, blobs: Blobs) -> np.ndarray[Any, Any]:
    """Return the array."""
    return np.load(io.BytesIO(blobs.get(artifact.digest)), allow_pickle=False)
