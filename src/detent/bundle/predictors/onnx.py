"""ONNX Runtime on one thread, fed one tensor per column."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from struct import Struct, pack
from struct import error as StructError

import numpy as np
import onnxruntime
import onnxruntime.capi.onnxruntime_pybind11_state as faults  # pyright: ignore[reportMissingImports]
from numpy.typing import NDArray

from detent.bundle.files import MAX_FILE_BYTES
from detent.bundle.onnx_file import inspect_model
from detent.bundle.onnx_inputs import BLOCK, of_columns, with_one_block
from detent.bundle.predictors.columns import table_of
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
_PREPARED = 4096  # most numbers of a call that is kept for the next one of as many rows
_KEPT = 128  # of these calls, for each thread
_FLOATS: dict[str, type[np.floating]] = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class OnnxPredictor:
    """One ONNX graph: an input `[n, 1]` per column (float32, or string), first output one score per row.

    Numbers, integers and booleans become float32 (null: NaN); strings stay strings (null: the empty string).

    Graphs from elsewhere mostly have one input `[n, k]` of float or double instead: its columns are the signature's
    inputs, in order. Of their outputs the first one of floats counts (classifiers put the label before it); when it has
    two columns, the second one is the probability of class 1. Of several classes it has a column for each.
    """

    def __init__(self, model: bytes, signature: Signature) -> None:
        inspect_model(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # a model that raises is reported as an error, not on stderr
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        self.signature = signature
        self._numbers = [field.name for field in signature.inputs if field.kind != STRING]
        self._strings = [field for field in signature.inputs if field.kind == STRING]
        session, whole = self._opened(model, options)
        self._block = whole.name if whole is not None else BLOCK if len(self._numbers) > 1 else ""
        self._dtype = _FLOATS[whole.type] if whole is not None else np.float32
        output = _score_output(session)
        self._outputs = [output.name]
        self._two_columns = len(output.shape) == 2 and output.shape[1] == 2 and signature.output == "probability"
        self._classes = len(signature.classes)
        # The session's own method looks at the names of the inputs first, at each call; ours are right by construction.
        self._run = getattr(session, "_sess", session).run
        self._by_rows = bool(self._block) and not self._strings
        one_score = len(output.shape) == 1 or (len(output.shape) == 2 and output.shape[1] == 1)
        self._session = session if self._by_rows and one_score and not self._classes else None  # for prepared calls
        self._threads = threading.local()

    @classmethod
    def open(cls, folder: Path, signature: Signature) -> OnnxPredictor:
        """Load `model.onnx`."""
        path = folder / "model.onnx"
        if path.stat().st_size > MAX_FILE_BYTES:
            raise _unloadable(f"it has more than {MAX_FILE_BYTES:,} bytes")
        return cls(path.read_bytes(), signature)

    def _opened(
        self, model: bytes, options: onnxruntime.SessionOptions
    ) -> tuple[onnxruntime.InferenceSession, onnxruntime.NodeArg | None]:
        """Return what runs, with its numbers in one tensor, and that tensor where the graph has it of its own."""
        blocked = of_columns(model, self._numbers, [field.name for field in self._strings])
        if blocked is not None:  # as our own exports are: a second session would only say so once more
            return _session(blocked, options), None
        session = _session(model, options)
        whole = block_input(session, self.signature)
        if whole is None:
            _check_inputs(session, self.signature)
            if len(self._numbers) > 1:
                # What was checked is the model as it was judged; what runs takes its numbers in one tensor.
                session = _session(with_one_block(model, self._numbers), options)
        return session, whole

    def predict(self, columns: Mapping[str, Sequence[object]]) -> NDArray[np.float64]:
        """Return one score per row; see `Predictor.predict`."""
        rows = next((len(columns[field.name]) for field in self.signature.inputs if field.name in columns), 0)
        if rows == 0:
            return np.empty((0, self._classes) if self._classes else 0, dtype=np.float64)
        return self._scores(self._feed(columns, rows), rows).astype(np.float64, copy=False)

    def predict_rows(self, rows: Sequence[Sequence[object]]) -> NDArray[np.floating] | None:
        """Return one score per row of values in the order of the signature; None when `predict` has to be asked.

        It is the quick way for models of nothing but numbers, without nulls: there the reading of arguments would take
        as long as the model.
        """
        count, width = len(rows), len(self._numbers)
        if not self._by_rows or not count:
            return None
        try:
            if self._session is not None and count * width <= _PREPARED:
                return self._prepared(self._session, count).scores(chain.from_iterable(rows))
            packed = pack(f"{count * width}{np.dtype(self._dtype).char}", *chain.from_iterable(rows))
        except (StructError, OverflowError, *_RUN_FAULTS):  # a null, or a number beyond float32, or the model raised
            return None
        return self._scores({self._block: np.ndarray((count, width), self._dtype, packed)}, count)

    def _prepared(self, session: onnxruntime.InferenceSession, rows: int) -> _Call:
        """Return this thread's call for so many rows."""
        try:
            calls: dict[int, _Call] = self._threads.calls
        except AttributeError:
            calls = self._threads.calls = {}
        call = calls.get(rows)
        if call is None:
            if len(calls) >= _KEPT:
                calls.clear()
            call = calls[rows] = _Call(session, self._block, rows, len(self._numbers))
        return call

    def _scores(self, feed: dict[str, NDArray[np.generic]], rows: int) -> NDArray[np.floating]:
        try:
            scores = self._run(self._outputs, feed, None)[0]
        except _RUN_FAULTS as error:
            raise PredictionError(
                what="the model raised",
                why=str(error)[:_MAX_MESSAGE],
                fix="roll back to a version that answers; then look at the rows that it failed on",
            ) from error
        if self._classes:
            return table_of(scores, rows, self._classes)
        if self._two_columns and isinstance(scores, np.ndarray) and scores.shape == (rows, 2):
            scores = scores[:, 1]
        if not isinstance(scores, np.ndarray) or scores.size != rows:
            raise PredictionError(
                what="the model did not give one score per row",
                why=f"{getattr(scores, 'shape', type(scores).__name__)} came for {rows} rows",
                fix="roll back to a version that answers",
            )
        return scores.reshape(rows)

    def _feed(self, columns: Mapping[str, Sequence[object]], rows: int) -> dict[str, NDArray[np.generic]]:
        feed: dict[str, NDArray[np.generic]] = {f.name: _tensor(f, columns.get(f.name), rows) for f in self._strings}
        try:
            # All numbers in one go: for a single row, one array per column costs more than the model.
            with np.errstate(over="ignore"):  # beyond float32: infinite, as the graph would see it anyway
                numbers = np.array([columns[name] for name in self._numbers], dtype=self._dtype)
            if self._block:
                feed[self._block] = np.ascontiguousarray(numbers.reshape(len(self._numbers), rows).T)
            elif self._numbers:
                feed[self._numbers[0]] = numbers.reshape(rows, 1)
        except (
            KeyError,
            TypeError,
            ValueError,
            OverflowError,
        ):  # column by column, to fill a missing one or name a bad one
            tensors = {f.name: _tensor(f, columns.get(f.name), rows) for f in self.signature.inputs}
            feed = {f.name: tensors[f.name] for f in self._strings}
            if self._block:
                joined = np.concatenate([tensors[name] for name in self._numbers], axis=1)
                feed[self._block] = joined.astype(self._dtype, copy=False)
            elif self._numbers:
                feed[self._numbers[0]] = tensors[self._numbers[0]]
        return feed


class _Call:
    """One thread's prepared call for so many rows: it keeps what the library makes anew at every other call."""

    def __init__(self, session: onnxruntime.InferenceSession, block: str, rows: int, width: int) -> None:
        output, taken = _score_output(session), _FLOATS[session.get_inputs()[0].type]
        numbers = np.zeros(rows * width, taken)
        self._numbers, self._given = numbers.data, np.zeros(rows, _FLOATS[output.type])
        self._pack = Struct(f"{len(numbers)}{numbers.dtype.char}").pack_into
        binding = session.io_binding()
        binding.bind_input(block, "cpu", 0, taken, (rows, width), numbers.ctypes.data)
        shape = (rows, 1)[: len(output.shape)]
        binding.bind_output(output.name, "cpu", 0, self._given.dtype.type, shape, self._given.ctypes.data)
        # Here too what looks at the arguments at each call is left out, if the library has its parts where they were.
        bare, bound = getattr(session, "_sess", None), getattr(binding, "_iobinding", None)
        self._run = session.run_with_iobinding if bare is None or bound is None else bare.run_with_iobinding
        self._binding = binding if bare is None or bound is None else bound

    def scores(self, values: Iterable[object]) -> NDArray[np.floating]:
        """Return one score per row; `values` are those of all rows, one row after the other."""
        self._pack(self._numbers, 0, *values)
        self._run(self._binding, None)
        return self._given.copy()


def _session(model: bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except _LOAD_FAULTS as error:
        raise _unloadable(str(error)) from error


def _check_inputs(session: onnxruntime.InferenceSession, signature: Signature) -> None:
    names = {node.name for node in session.get_inputs()}
    expected = {field.name for field in signature.inputs}
    if len(names) == 1 and len(expected) > 1:
        node = session.get_inputs()[0]
        raise _unloadable(
            f"its only input `{node.name}` is a {node.type} of {len(node.shape)} dimensions; for all {len(expected)} "
            "inputs at once it must be a tensor of float or double, of 2 dimensions, and none of them may be text"
        )
    if names != expected:
        raise _unloadable(f"its inputs are {sorted(names)[:20]}, its signature says {sorted(expected)[:20]}")


def block_input(session: onnxruntime.InferenceSession, signature: Signature) -> onnxruntime.NodeArg | None:
    """Return the one input `[n, k]` that takes all k numbers of the signature, or None when there is one per column."""
    nodes = session.get_inputs()
    if len(nodes) != 1 or nodes[0].type not in _FLOATS or len(nodes[0].shape) != 2:
        return None
    width, wanted = nodes[0].shape[1], len(signature.inputs)
    if any(field.kind == STRING for field in signature.inputs) or (wanted == 1 and width == 1):
        return None
    if isinstance(width, int) and width != wanted:
        raise _unloadable(f"its input `{nodes[0].name}` has {width} columns, its signature has {wanted} inputs")
    return nodes[0]


def _score_output(session: onnxruntime.InferenceSession) -> onnxruntime.NodeArg:
    outputs = session.get_outputs()
    found = [output for output in outputs if output.type in _FLOATS]
    if not found:
        types = ", ".join(f"{output.name}: {output.type}" for output in outputs[:5])
        raise RefusedError(
            what="the model file gives no scores",
            why=f"none of its outputs is a tensor of floats ({types})",
            fix="export the classifier without ZipMap: options={'zipmap': False}",
            where=Place(file="model.onnx"),
        )
    return found[0]


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
        fix="export the model again; a bundle, take from the run that made it, and compare the versions of onnxruntime",
        where=Place(file="model.onnx"),
    )
