"""Exported PyTorch programs (`torch.export`), on one thread; a pickled module is never opened here."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]  (an extra)
from numpy.typing import NDArray

from detent.bundle.files import read_model
from detent.bundle.predictors.columns import (
    Columns,
    block,
    count_rows,
    one_per_row,
    only_numbers,
    raised,
    unloadable,
)
from detent.bundle.torch_file import FILE, inspect_program
from detent.records.signature import Signature

_LOAD_FAULTS = (
    *(RuntimeError, ValueError, TypeError, KeyError, AttributeError, AssertionError, IndexError, OSError),
    NotImplementedError,
)
_RUN_FAULTS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError)
_HOW = "export with a free first dimension: dynamic_shapes=({0: torch.export.Dim('rows')},), and one float32 input"


class TorchPredictor:
    """One exported program: a float32 tensor `[n, inputs]` in, in the order of the signature; one score per row out.

    Nulls are NaN; a program that must not see them replaces them itself.
    """

    def __init__(self, model: bytes, signature: Signature) -> None:
        only_numbers(signature, FILE)
        torch.set_num_threads(1)  # of this process: several workers share the cores
        self.signature = signature
        width = len(signature.inputs)
        checked = inspect_program(model, _saved(((torch.zeros(2, width),), {})))
        try:
            program = torch.export.load(io.BytesIO(checked))
            self._call = program.module(check_guards=False)
        except _LOAD_FAULTS as error:
            raise unloadable(FILE, f"{type(error).__name__}: {error}", _HOW) from error
        _check_input(program, width)

    @classmethod
    def open(cls, folder: Path, signature: Signature) -> TorchPredictor:
        """Load `model.pt2`."""
        return cls(read_model(folder / FILE), signature)

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        """Return one score per row; see `Predictor.predict`."""
        rows = count_rows(columns, self.signature)
        if rows == 0:
            return np.empty(0, dtype=np.float64)
        with np.errstate(over="ignore"):  # beyond float32: infinite, as the program would see it anyway
            data = np.ascontiguousarray(block(columns, self.signature.inputs, rows).T, dtype=np.float32)
        try:
            with torch.inference_mode():
                given = self._call(torch.from_numpy(data))
                first = given[0] if isinstance(given, (tuple, list)) else given
                scores = first.to(torch.float64).numpy()
        except _RUN_FAULTS as error:
            raise raised(error) from error
        return one_per_row(scores, rows, probability=self.signature.output == "probability")


def _check_input(program: Any, width: int) -> None:
    """Refuse a program that does not take any number of rows of this width."""
    names = program.graph_signature.user_inputs
    shapes = [node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][1] != width:
        raise unloadable(FILE, f"its inputs have the shapes {shapes}, its signature says one [n, {width}]", _HOW)
    if isinstance(shapes[0][0], int):
        raise unloadable(FILE, f"it takes exactly {shapes[0][0]} rows at a time", _HOW)


def _saved(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()
