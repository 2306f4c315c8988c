"""ONNX Runtime on one thread, fed one tensor per column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import onnxruntime.capi.onnxruntime_pybind11_state as faults  # pyright: ignore[reportMissingImports]
from numpy.typing import NDArray

from detent.bundle.files import MAX_FILE_BYTES
from detent.bundle.onnx_file import inspect_model
from detent.bundle.onnx_inputs import BLOCK, with_one_block
from detent.bundle.protocol import PredictionError
from detent.errors import DataError, Place, RefusedError
from detent.records.signature import STRING, Field, Signature

# ONNX Runtime's exceptions have no base of their own, and its stubs don't list them.
_RUN_FAULTS: tuple[type[Exception], ...] = (
    *(getattr(faults, name) for name in ("Fail", "InvalidArgument", "RuntimeException", "NotImplemented", "EPFail")),
    RuntimeError,
    ValueError,
)
_LOAD_FAULTS = (
    *(getattr(faults, name) for name in ("InvalidGraph", "InvalidProtobuf", "NoModel")),
    *_RUN_FAULTS,
    TypeError,
)
_MAX_MESSAGE = 300


class OnnxPredictor:
    """One ONNX graph: an input `[n, 1]` per column (float32, or string), first output one score per row.

    Numbers, integers and booleans become float32 (null: NaN); strings stay strings (null: the empty string).
    """

    def __init__(self, model: bytes, signature: Signature) -> None:
        inspect_model(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # a model that raises is reported as an error, not on stderr
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        session = _session(model, options)
        self.signature = signature
        names = {node.name for node in session.get_inputs()}
        expected = {field.name for field in signature.inputs}
        if names != expected:
            raise _unloadable(f"its inputs are {sorted(names)[:20]}, its signature says {sorted(expected)[:20]}")
        self._numbers = [field.name for field in signature.inputs if field.kind != STRING]
        self._strings = [field for field in signature.inputs if field.kind == STRING]
        # What was checked is the model as it was judged; what runs takes its numbers in one tensor.
        self._session = _session(with_one_block(model, self._numbers), options) if len(self._numbers) > 1 else session
        self._outputs = [self._session.get_outputs()[0].name]
        self._run = self._session.run

    @classmethod
    def open(cls, folder: Path, signature: Signature) -> OnnxPredictor:
        """Load `model.onnx`."""
        path = folder / "model.onnx"
        if path.stat().st_size > MAX_FILE_BYTES:
            raise _unloadable(f"it has more than {MAX_FILE_BYTES:,} bytes")
        return cls(path.read_bytes(), signature)

    def predict(self, columns: Mapping[str, Sequence[object]]) -> NDArray[np.float64]:
        """Return one score per row; see `Predictor.predict`."""
        rows = next((len(columns[field.name]) for field in self.signature.inputs if field.name in columns), 0)
        if rows == 0:
            return np.empty(0, dtype=np.float64)
        feed = self._feed(columns, rows)
        try:
            scores = self._run(self._outputs, feed)[0]
        except _RUN_FAULTS as error:
            raise PredictionError(
                what="the model raised",
                why=str(error)[:_MAX_MESSAGE],
                fix="roll back to a version that answers; then look at the rows that it failed on",
            ) from error
        if not isinstance(scores, np.ndarray) or scores.size != rows:
            raise PredictionError(
                what="the model did not give one score per row",
                why=f"{getattr(scores, 'shape', type(scores).__name__)} came for {rows} rows",
                fix="roll back to a version that answers",
            )
        return scores.reshape(rows).astype(np.float64, copy=False)

    def _feed(self, columns: Mapping[str, Sequence[object]], rows: int) -> dict[str, NDArray[np.generic]]:
        feed: dict[str, NDArray[np.generic]] = {f.name: _tensor(f, columns.get(f.name), rows) for f in self._strings}
        try:
            # All numbers in one go: for a single row, one array per column costs more than the model.
            with np.errstate(over="ignore"):  # beyond float32: infinite, as the graph would see it anyway
                block = np.array([columns[name] for name in self._numbers], dtype=np.float32)
            if len(self._numbers) > 1:
                feed[BLOCK] = np.ascontiguousarray(block.reshape(len(self._numbers), rows).T)
            elif self._numbers:
                feed[self._numbers[0]] = block.reshape(rows, 1)
        except (
            KeyError,
            TypeError,
            ValueError,
            OverflowError,
        ):  # column by column, to fill a missing one or name a bad one
            tensors = {f.name: _tensor(f, columns.get(f.name), rows) for f in self.signature.inputs}
            feed = {f.name: tensors[f.name] for f in self._strings}
            if len(self._numbers) > 1:
                feed[BLOCK] = np.concatenate([tensors[name] for name in self._numbers], axis=1)
            elif self._numbers:
                feed[self._numbers[0]] = tensors[self._numbers[0]]
        return feed


def _session(model: bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except _LOAD_FAULTS as error:
        raise _unloadable(str(error)) from error


def _tensor(field: Field, values: Sequence[object] | None, rows: int) -> NDArray[np.generic]:
    if values is None:
        if not field.nullable:
            raise _bad_column(field, "it is missing", "send the column; only nullable ones may be left out")
        values = [None] * rows
    if len(values) != rows:
        raise _bad_column(
            field, f"it has {len(values)} values, other columns have {rows}", "send columns of one length"
        )
    if field.kind == STRING:
        tensor = np.empty((rows, 1), dtype=object)
        tensor[:, 0] = [value if type(value) is str else _text(field, value) for value in values]
        return tensor
    try:
        with np.errstate(over="ignore"):
            return np.array(values, dtype=np.float32).reshape(rows, 1)
    except (TypeError, ValueError, OverflowError) as error:
        raise _bad_column(
            field, f"a value is no number: {str(error)[:100]}", "send numbers, booleans or null"
        ) from error


def _text(field: Field, value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):  # pandas writes null strings as NaN
        return ""
    if isinstance(value, str):
        return str(value)
    raise _bad_column(field, f"a value is a {type(value).__name__}", "send text or null")


def _bad_column(field: Field, why: str, fix: str) -> DataError:
    return DataError(
        what=f"column `{field.name}` does not fit the model",
        why=why,
        fix=fix,
        where=Place(file="inputs", field=field.name),
    )


def _unloadable(why: str) -> RefusedError:
    return RefusedError(
        what="the model file can't be loaded",
        why=why[:_MAX_MESSAGE],
        fix="take the bundle from the run that made it, and compare the versions of onnxruntime",
        where=Place(file="model.onnx"),
    )
