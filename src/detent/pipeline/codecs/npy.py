"""NumPy arrays as npy files."""

from __future__ import annotations

import warnings
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from detent.errors import DataError
from detent.pipeline.artifacts import NPY, Artifact
from detent.pipeline.codecs.misfit import unreadable
from detent.pipeline.codecs.spool import put_written
from detent.store.blobs import Blobs


def dump(value: np.ndarray[Any, Any], blobs: Blobs) -> Artifact:
    """Store an array, in C order whatever its order in memory: equal arrays of one dtype give equal bytes.

    Two values that compare equal and are not the same, 0.0 and -0.0, do not; nor do NaNs of different bits.
    """
    if type(value) is not np.ndarray or value.dtype.hasobject:
        raise DataError(
            what=f"an array of type {type(value).__name__}[{value.dtype}] can't be an output of a step",
            why="npy files hold plain arrays of numbers, texts and times; masks and Python objects would be lost",
            fix="return a Polars frame, or a plain array: numpy.asarray(array), and a mask as an array of its own",
        )
    array = _without_padding(np.asarray(value, order="C"))
    digest = put_written(blobs, lambda file: _write(array, file), size=array.nbytes)
    return Artifact(digest=digest, kind=NPY)


def load(artifact: Artifact, blobs: Blobs) -> np.ndarray[Any, Any]:
    """Return the array."""
    path = blobs.path(artifact.digest)
    try:
        # Mapped first: a few bytes that claim to be a huge array are found out before memory is taken for it.
        return np.array(npy.open_memmap(path, mode="r"))
    except (ValueError, EOFError, TypeError, KeyError, ArithmeticError) as error:
        raise unreadable(artifact, error) from error


def _write(array: np.ndarray[Any, Any], file: BinaryIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # names of fields beyond Latin-1 need NumPy 1.17
        npy.write_array(file, array, allow_pickle=False)


def _without_padding(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the array with zeros in the gaps between fields, where memory holds whatever was there before."""
    if array.dtype.names is None:
        return array
    clean = np.zeros(array.shape, array.dtype)
    clean[...] = array  # field by field
    return clean
