"""Open Inference Protocol V2, quickly: msgspec decodes a body into structs that were made from the model's signature.

Only JSON that fits at once is read here. For everything else the methods return None, and `tensors` looks closer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from operator import attrgetter, or_
from struct import calcsize, unpack
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from detent.records.signature import BOOLEAN, INTEGER, NUMBER, STRING, Field
from detent.serving.formats.blobs import DTYPES
from detent.serving.formats.tensors import FLOATS, INTEGERS, NUMBERS
from detent.serving.rows.validate import KINDS, MAX_NUMBER, MAX_ROWS, MAX_TEXT, Row, RowReader

_DATATYPES: dict[str, Any] = {
    NUMBER: Literal[NUMBERS], INTEGER: Literal[NUMBERS], BOOLEAN: Literal["BOOL"], STRING: Literal["BYTES"],
}  # fmt: skip
_NAME, _SHAPE, _DATATYPE, _DATA = (attrgetter(name) for name in ("name", "shape", "datatype", "data"))
_SIZE = attrgetter("parameters.binary_data_size")
_MATRIX_VALUES = list[Annotated[float, msgspec.Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)] | None]


class WantedOutput(msgspec.Struct, gc=False):
    """An output that the caller asks for."""

    name: str
    parameters: dict[str, Any] | None = None


class Envelope(msgspec.Struct, kw_only=True, gc=False):
    """What stands in a request beside its tensors."""

    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[WantedOutput] | None = None


class _Matrix(msgspec.Struct, gc=False):
    name: str
    shape: tuple[int, int]
    datatype: Literal[NUMBERS]  # type: ignore[valid-type]
    data: _MATRIX_VALUES  # type: ignore[valid-type]


class _MatrixBody(Envelope, gc=False):
    inputs: Annotated[list[_Matrix], msgspec.Meta(min_length=1, max_length=1)]


class _Size(msgspec.Struct, gc=False):
    binary_data_size: int


class _Binary(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    name: str
    shape: tuple[int, ...]
    datatype: str
    parameters: _Size


class _BinaryBody(Envelope, gc=False):
    inputs: Annotated[list[_Binary], msgspec.Meta(min_length=1)]


_BINARY = msgspec.json.Decoder(_BinaryBody)
_MATRIX = msgspec.json.Decoder(_MatrixBody)
_MARK = b'"datatype"'  # once: a matrix, most likely
_CODES = {
    "FP16": "e", "FP32": "f", "FP64": "d", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q",
    "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q",
}  # fmt: skip
_FAILED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class TensorReader:
    """Reads requests of one signature. Safe for several threads."""

    def __init__(self, reader: RowReader) -> None:
        fields = reader.signature.inputs
        self._names = reader.names
        self._tensors = tuple(_tensor(number, field) for number, field in enumerate(fields))
        either: Any = reduce(or_, self._tensors)
        body = msgspec.defstruct("TensorBody", [("inputs", list[either])], bases=(Envelope,), gc=False, kw_only=True)
        self._body = msgspec.json.Decoder(body)
        self._kinds = [field.kind for field in fields]
        self._all_numbers = set(self._kinds) == {NUMBER}
        self._needed = [not field.nullable for field in fields]

    def read(self, body: bytes) -> tuple[list[Row], Envelope] | None:
        """Return the rows of a JSON request, and what stands beside them."""
        if self._all_numbers and len(self._names) > 1 and body.find(_MARK, body.find(_MARK) + 1) < 0:
            found = self._read_matrix(body)
            if found is not None:
                return found
        try:
            decoded: Any = self._body.decode(body)
        except _FAILED:
            return None
        inputs = decoded.inputs
        if tuple(map(type, inputs)) != self._tensors:  # another order, or not all
            given = {type(tensor): tensor for tensor in inputs}
            if len(inputs) != len(self._tensors) or len(given) != len(inputs):
                return None
            inputs = [given[kind] for kind in self._tensors]
        columns = list(map(_DATA, inputs))
        count = len(columns[0])
        if not 1 <= count <= MAX_ROWS or not {(count,), (count, 1)}.issuperset(map(_SHAPE, inputs)):
            return None
        if len(set(map(len, columns))) != 1:
            return None
        return list(zip(*columns, strict=True)), decoded

    def read_binary(self, head: bytes, blob: memoryview) -> tuple[list[Row], Envelope] | None:
        """Return the rows of a binary request: a tensor per field in the signature's order, or one matrix."""
        try:
            decoded = _BINARY.decode(head)
        except _FAILED:
            return None
        inputs = decoded.inputs
        datatypes, shapes = set(map(_DATATYPE, inputs)), set(map(_SHAPE, inputs))
        if len(shapes) != 1 or sum(map(_SIZE, inputs)) != len(blob):
            return None
        shape = shapes.pop()
        count = shape[0] if shape else 0
        if not 1 <= count <= MAX_ROWS:
            return None
        if tuple(map(_NAME, inputs)) == self._names and shape in ((count,), (count, 1)):
            same = self._all_numbers and len(datatypes) == 1 and len(set(map(_SIZE, inputs))) == 1
            if same:
                rows = _table(inputs[0].datatype, blob, count, len(inputs), by_row=False)
            else:
                rows = self._mixed(inputs, blob, count)
        elif self._all_numbers and shape == (count, len(self._names)) and inputs[0].name not in self._names:
            rows = _table(inputs[0].datatype, blob, count, shape[1], by_row=True) if len(inputs) == 1 else None
        else:
            return None
        return None if rows is None else (rows, decoded)

    def _mixed(self, inputs: Sequence[_Binary], blob: memoryview, count: int) -> list[Row] | None:
        columns, at = list[Sequence[Any]](), 0
        for tensor, kind in zip(inputs, self._kinds, strict=True):
            end = at + tensor.parameters.binary_data_size
            column = _COLUMN[kind](tensor.datatype, blob[at:end], count) if end > at else None
            if column is None:
                return None
            columns.append(column)
            at = end
        return list(zip(*columns, strict=True))

    def _read_matrix(self, body: bytes) -> tuple[list[Row], Envelope] | None:
        try:
            decoded = _MATRIX.decode(body)
        except _FAILED:
            return None
        tensor, width = decoded.inputs[0], len(self._names)
        data, count = tensor.data, tensor.shape[0]
        if not 1 <= count <= MAX_ROWS or tensor.shape[1] != width or len(data) != count * width:
            return None
        if tensor.name in self._names or (None in data and any(self._needed)):
            return None
        return [tuple(data[at : at + width]) for at in range(0, len(data), width)], decoded


def _table(datatype: str, blob: memoryview, rows: int, width: int, *, by_row: bool) -> list[Row] | None:
    """Return the rows of numbers of one type, which stand in the blob row by row or field by field."""
    dtype = np.dtype(DTYPES.get(datatype, "V1"))
    if dtype.kind != "f" or len(blob) != rows * width * dtype.itemsize:
        return None
    flat = np.frombuffer(blob, dtype)
    values = flat.reshape(rows, width) if by_row else flat.reshape(width, rows).T
    values = values.astype(np.float64)
    if not np.abs(values).max() <= MAX_NUMBER:  # NaN and Infinity; written so that NaN is not let through
        return None
    return list(map(tuple, values.tolist()))


def _unpacked(datatype: str, blob: memoryview, count: int) -> tuple[Any, ...] | None:
    code = _CODES.get(datatype, "")
    if not code or len(blob) != count * calcsize(f"<{code}"):
        return None
    return unpack(f"<{count}{code}", blob)


def _numbers(datatype: str, blob: memoryview, count: int) -> Sequence[Any] | None:
    values = _unpacked(datatype, blob, count)
    # False for NaN and Infinity, whose sums are the same; for very large numbers the patient way looks closer.
    if values is None or not sum(map(abs, values)) <= MAX_NUMBER:
        return None
    return values if datatype in FLOATS else tuple(map(float, values))


def _integers(datatype: str, blob: memoryview, count: int) -> Sequence[Any] | None:
    return _unpacked(datatype, blob, count) if datatype in INTEGERS and datatype != "UINT64" else None


def _booleans(datatype: str, blob: memoryview, count: int) -> Sequence[Any] | None:
    if datatype != "BOOL" or len(blob) != count or max(blob) > 1:
        return None
    return tuple(map(bool, blob))


def _strings(datatype: str, blob: memoryview, count: int) -> Sequence[Any] | None:
    texts, at = list[str](), 0
    if datatype != "BYTES":
        return None
    while at < len(blob):
        size = int.from_bytes(blob[at : at + 4], "little")
        end = at + 4 + size
        if end > len(blob) or size > MAX_TEXT:  # a longer one may be of fewer characters
            return None
        try:
            texts.append(str(blob[at + 4 : end], "utf-8"))
        except UnicodeDecodeError:
            return None
        at = end
    return texts if len(texts) == count else None


_COLUMN = {NUMBER: _numbers, INTEGER: _integers, BOOLEAN: _booleans, STRING: _strings}


@lru_cache(maxsize=64)
def tensor_reader(reader: RowReader) -> TensorReader:
    """Return the reader of tensors that belongs to a reader of rows."""
    return TensorReader(reader)


def _tensor(number: int, field: Field) -> type[msgspec.Struct]:
    kind = KINDS[field.kind]
    return msgspec.defstruct(
        f"Tensor{number}",
        [
            ("shape", tuple[int, ...]),
            ("datatype", _DATATYPES[field.kind]),
            ("data", list[kind | None] if field.nullable else list[kind]),
        ],
        tag_field="name",
        tag=field.name,
        gc=False,
    )
