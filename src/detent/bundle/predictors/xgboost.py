"""XGBoost by its C API: a single row is read where it lies, by a description that is written once per thread."""

from __future__ import annotations

import ctypes
import json
import threading
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detent.bundle.files import read_model
from detent.bundle.predictors.columns import (
    Columns,
    SingleRow,
    block,
    count_rows,
    only_numbers,
    raised,
    same_names,
    unloadable,
)
from detent.bundle.predictors.native import library
from detent.bundle.xgboost_file import FILE, inspect_booster
from detent.records.signature import Signature

# Type 0: the model's output (a probability for binary:logistic). All rounds. JSON as XGBoost reads it, with a bare NaN.
_CONFIG = (
    b'{"type":0,"training":false,"iteration_begin":0,"iteration_end":0,"missing":NaN,"strict_shape":false,"cache_id":0}'
)


class _Call:
    """One thread's arguments of a prediction; XGBoost keeps the answer in memory of the thread."""

    def __init__(self, lib: ctypes.CDLL, booster: ctypes.c_void_p, features: int) -> None:
        self.row = bytearray(8 * features)
        self._pointer = (ctypes.c_char * len(self.row)).from_buffer(self.row)
        self._one_row = _described(ctypes.addressof(self._pointer), 1, features)
        self._proxy = ctypes.c_void_p()
        if lib.XGProxyDMatrixCreate(ctypes.byref(self._proxy)):
            raise raised(_last_error(lib))
        weakref.finalize(self, lib.XGDMatrixFree, self._proxy)
        self._shape, self._dimensions = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
        self._scores = ctypes.POINTER(ctypes.c_float)()
        self._answer = (ctypes.byref(self._shape), ctypes.byref(self._dimensions), ctypes.byref(self._scores))
        self._function, self._booster, self._lib = lib.XGBoosterPredictFromDense, booster, lib

    def one(self) -> NDArray[np.float64]:
        """Return the score of what lies in `row`."""
        if self._function(self._booster, self._one_row, _CONFIG, self._proxy, *self._answer):
            raise raised(_last_error(self._lib))
        return np.array((self._scores[0],))

    def many(self, data: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the scores of a row-major matrix."""
        rows, features = data.shape
        described = _described(data.ctypes.data, rows, features)
        if self._function(self._booster, described, _CONFIG, self._proxy, *self._answer):
            raise raised(_last_error(self._lib))
        shape = self._shape[: self._dimensions.value]
        if int(np.prod(shape)) != rows:
            raise raised(f"it gave an answer of shape {shape} for {rows} rows")
        return np.ctypeslib.as_array(self._scores, (rows,)).astype(np.float64)  # a copy: the next call writes there


class XgboostPredictor:
    """One XGBoost model with one output, on one thread; a row's inputs in the order of the signature."""

    def __init__(self, model: bytes, signature: Signature) -> None:
        only_numbers(signature, FILE)
        facts = inspect_booster(model)
        if facts.features != len(signature.inputs):
            raise unloadable(FILE, f"it takes {facts.features} inputs, its signature has {len(signature.inputs)}")
        same_names(facts.named, signature, FILE)
        self.signature = signature
        self._lib = library("xgboost", "xgboost")
        self._booster = _open(self._lib, facts.text)
        weakref.finalize(self, self._lib.XGBoosterFree, self._booster)
        self._single = SingleRow(signature)
        self._threads = threading.local()

    @classmethod
    def open(cls, folder: Path, signature: Signature) -> XgboostPredictor:
        """Load `model.xgb`, which is JSON or UBJSON."""
        return cls(read_model(folder / FILE), signature)

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        """Return one score per row; see `Predictor.predict`."""
        rows = count_rows(columns, self.signature)
        if rows == 0:
            return np.empty(0, dtype=np.float64)
        try:
            call = self._threads.call
        except AttributeError:
            call = self._threads.call = _Call(self._lib, self._booster, len(self.signature.inputs))
        if rows == 1:
            self._single.write(columns, call.row)
            return call.one()
        return call.many(np.ascontiguousarray(block(columns, self.signature.inputs, rows).T))


def _described(address: int, rows: int, features: int) -> bytes:
    """Return the array interface (https://numpy.org/doc/stable/reference/arrays.interface.html) of a matrix."""
    described = {"data": [address, True], "shape": [rows, features], "typestr": "<f8", "version": 3}
    return json.dumps(described).encode()


def _open(lib: ctypes.CDLL, text: bytes) -> ctypes.c_void_p:
    lib.XGBGetLastError.restype = ctypes.c_char_p
    booster = ctypes.c_void_p()
    if (
        lib.XGBoosterCreate(None, ctypes.c_uint64(0), ctypes.byref(booster))
        or lib.XGBoosterLoadModelFromBuffer(booster, text, ctypes.c_uint64(len(text)))
        or lib.XGBoosterSetParam(booster, b"nthread", b"1")
        or lib.XGBoosterSetParam(booster, b"verbosity", b"0")
    ):
        raise unloadable(FILE, _last_error(lib))
    return booster


def _last_error(lib: ctypes.CDLL) -> str:
    text = (lib.XGBGetLastError() or b"").decode("utf-8", "replace")
    return text.partition("Stack trace")[0].strip()
