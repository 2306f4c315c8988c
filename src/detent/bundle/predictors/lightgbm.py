"""LightGBM by its C API: a single row takes the path that the library keeps ready for it; its Python has none."""

from __future__ import annotations

import ctypes
import threading
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detent.bundle.files import read_model
from detent.bundle.lightgbm_text import FILE, inspect_trees
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
from detent.records.signature import Signature

_FLOAT64, _NORMAL, _COLUMN_MAJOR, _ALL = 1, 0, 0, -1  # LightGBM/c_api.h
_PARAMETERS = b"num_threads=1 verbosity=-1"


class _Fast:
    """One thread's prepared call; LightGBM keeps the row's scratch memory in it, so no two threads may share one."""

    def __init__(self, lib: ctypes.CDLL, booster: ctypes.c_void_p, features: int) -> None:
        config = ctypes.c_void_p()
        status = lib.LGBM_BoosterPredictForMatSingleRowFastInit(
            booster, _NORMAL, 0, _ALL, _FLOAT64, features, _PARAMETERS, ctypes.byref(config)
        )
        if status:
            raise raised(_last_error(lib))
        weakref.finalize(self, lib.LGBM_FastConfigFree, config)
        self.row = bytearray(8 * features)
        self._score, self._length = ctypes.c_double(), ctypes.c_int64()
        pointer = (ctypes.c_char * len(self.row)).from_buffer(self.row)
        self._arguments = (config, pointer, ctypes.byref(self._length), ctypes.byref(self._score))
        self._call = lib.LGBM_BoosterPredictForMatSingleRowFast

    def predict(self) -> float | None:
        """Return the score of what lies in `row`, or None when the library reports an error."""
        return None if self._call(*self._arguments) else self._score.value


class LightgbmPredictor:
    """One LightGBM text model with one output, on one thread; a row's inputs in the order of the signature."""

    def __init__(self, model: bytes, signature: Signature) -> None:
        only_numbers(signature, FILE)
        facts = inspect_trees(model)
        own = [field.name for field in signature.inputs]
        if len(own) != len(facts.features):
            raise unloadable(FILE, f"it takes {len(facts.features)} inputs, its signature has {len(own)}")
        if [name.replace(" ", "_") for name in own] != list(facts.named):
            same_names(facts.named, signature, FILE)
        self.signature = signature
        self._lib = library("lightgbm", "_lightgbm")
        self._booster = _open(self._lib, facts.text)
        weakref.finalize(self, self._lib.LGBM_BoosterFree, self._booster)
        self._single = SingleRow(signature)
        self._threads = threading.local()

    @classmethod
    def open(cls, folder: Path, signature: Signature) -> LightgbmPredictor:
        """Load `model.lgb.txt`."""
        return cls(read_model(folder / FILE), signature)

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        """Return one score per row; see `Predictor.predict`."""
        rows = count_rows(columns, self.signature)
        if rows == 1:
            return self._predict_one(columns)
        if rows == 0:
            return np.empty(0, dtype=np.float64)
        data = block(columns, self.signature.inputs, rows)
        scores, length = np.empty(rows, dtype=np.float64), ctypes.c_int64()
        status = self._lib.LGBM_BoosterPredictForMat(
            self._booster, ctypes.c_void_p(data.ctypes.data), _FLOAT64, rows, len(data), _COLUMN_MAJOR, _NORMAL,
            0, _ALL, _PARAMETERS, ctypes.byref(length), ctypes.c_void_p(scores.ctypes.data),
        )  # fmt: skip
        if status:
            raise raised(_last_error(self._lib))
        return scores

    def _predict_one(self, columns: Columns) -> NDArray[np.float64]:
        try:
            fast = self._threads.fast
        except AttributeError:
            fast = self._threads.fast = _Fast(self._lib, self._booster, len(self.signature.inputs))
        self._single.write(columns, fast.row)
        score = fast.predict()
        if score is None:
            raise raised(_last_error(self._lib))
        return np.array((score,))


def _open(lib: ctypes.CDLL, text: bytes) -> ctypes.c_void_p:
    lib.LGBM_GetLastError.restype = ctypes.c_char_p
    booster, iterations = ctypes.c_void_p(), ctypes.c_int()
    if lib.LGBM_BoosterLoadModelFromString(text, ctypes.byref(iterations), ctypes.byref(booster)):
        raise unloadable(FILE, _last_error(lib))
    return booster


def _last_error(lib: ctypes.CDLL) -> str:
    return (lib.LGBM_GetLastError() or b"").decode("utf-8", "replace")
