"""Open Inference Protocol V2: the request as it was written -> tensors -> rows, or an error that names the field.

This is the patient way, for binary tensors, nested data, loose signatures and everything that is wrong; plain JSON that
fits takes `tensor_reader`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detent.errors import did_you_mean
from detent.records.signature import BOOLEAN, INTEGER, NUMBER, STRING, Field
from detent.serving.problems import FieldError
from detent.serving.rows.validate import MAX_NUMBER, MAX_ROWS, MAX_SHOWN, RowReader, invalid, named, typed_value

FLOATS = ("FP16", "FP32", "FP64")
INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
NUMBERS = (*FLOATS, *INTEGERS)
TAKES = {NUMBER: NUMBERS, INTEGER: NUMBERS, BOOLEAN: ("BOOL",), STRING: ("BYTES",)}
DATATYPES = (*NUMBERS, "BOOL", "BYTES")
DATATYPE_OF = {NUMBER: "FP64", INTEGER: "INT64", BOOLEAN: "BOOL", STRING: "BYTES"}  # as metadata says
MAX_TENSORS = 10_000

Values = Sequence[Any] | NDArray[Any]
Columns = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Head:
    """What a request says about one tensor, checked as far as that goes without a signature."""

    spot: str  # "inputs[3]"
    name: str
    datatype: str
    shape: tuple[int, ...]  # of one or two dimensions, none of them 0
    raw: dict[str, Any]  # as it was written


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor with its values, flat."""

    head: Head
    values: Values
    first: int = 0  # where the values stand in the data that was sent: from here ...
    step: int = 1  # ... one in so many


def read_heads(inputs: Any) -> list[Head]:
    """Return what a request says about its tensors.

    Raises:
        Problem: 422 when that is not what the protocol asks for; sizes are only compared, nothing of them is made.
    """
    if not isinstance(inputs, list) or not inputs:
        message = f"it is {'empty' if inputs == [] else named(inputs)}; send a list of tensors"
        raise invalid([FieldError(field="inputs", message=message)])
    if len(inputs) > MAX_TENSORS:
        raise invalid([FieldError(field="inputs", message=f"{len(inputs):,} tensors; at most {MAX_TENSORS:,}")])
    heads, errors = list[Head](), list[FieldError]()
    for number, raw in enumerate(inputs):
        spot = f"inputs[{number}]"
        wrong = _head_error(raw, spot)
        if wrong is None:
            heads.append(Head(spot, raw["name"], raw["datatype"], tuple(raw["shape"]), raw))
            continue
        errors.append(wrong)
        if len(errors) >= MAX_SHOWN:
            break
    if not errors:
        errors = _disagreements(heads)
    if errors:
        raise invalid(errors)
    return heads


def _head_error(raw: Any, spot: str) -> FieldError | None:
    if not isinstance(raw, dict):
        return FieldError(field=spot, message=f"a tensor is an object, not {named(raw)}")
    name, datatype, shape = raw.get("name"), raw.get("datatype"), raw.get("shape")
    if not isinstance(name, str):
        return FieldError(field=f"{spot}.name", message=f"it is {named(name)}; it must be the name of a field")
    if datatype not in DATATYPES:
        message = f"it is {named(datatype)}; one of {', '.join(DATATYPES)} is taken"
        return FieldError(field=f"{spot}.datatype", message=message)
    if not isinstance(shape, list) or not 1 <= len(shape) <= 2 or not all(type(size) is int for size in shape):
        return FieldError(field=f"{spot}.shape", message="it must be [rows] or [rows, 1] (or [rows, fields])")
    if min(shape) < 1:
        return FieldError(field=f"{spot}.shape", message=f"it is {shape}; every size must be at least 1")
    if shape[0] > MAX_ROWS:
        message = f"{shape[0]:,} rows in one request; send at most {MAX_ROWS:,} and split the rest"
        return FieldError(field=f"{spot}.shape", message=message)
    if len(shape) == 2 and shape[1] > MAX_TENSORS:
        return FieldError(field=f"{spot}.shape", message=f"{shape[1]:,} fields; at most {MAX_TENSORS:,}")
    return None


def _disagreements(heads: Sequence[Head]) -> list[FieldError]:
    first, seen, errors = heads[0], dict[str, str](), list[FieldError]()
    for head in heads:
        before = seen.setdefault(head.name, head.spot)
        if before is not head.spot:
            message = f"`{head.name[:100]}` is already the name of {before}"
            errors.append(FieldError(field=f"{head.spot}.name", message=message))
        if head.shape[0] != first.shape[0]:
            message = f"{head.shape[0]} rows, but {first.spot} has {first.shape[0]}"
            errors.append(FieldError(field=f"{head.spot}.shape", message=message))
    return errors[:MAX_SHOWN]


def json_values(head: Head) -> list[Any]:
    """Return the values of a tensor that came as JSON: flat, or nested after its shape.

    Raises:
        Problem: 422 when there are more or fewer than the shape says.
    """
    data = head.raw.get("data")
    field = f"{head.spot}.data"
    if not isinstance(data, list):
        raise invalid([FieldError(field=field, message=f"it is {named(data)}; send a list of values")])
    rows, width = head.shape[0], head.shape[1] if len(head.shape) == 2 else 1
    if len(head.shape) == 2 and len(data) == rows and all(isinstance(row, list) for row in data):
        if any(len(row) != width for row in data):
            raise invalid([FieldError(field=field, message=f"each of its {rows} rows must have {width} values")])
        return [value for row in data for value in row]
    if len(data) != rows * width:
        message = f"{len(data):,} values; the shape {list(head.shape)} asks for {rows * width:,}"
        raise invalid([FieldError(field=field, message=message)])
    return data


def is_matrix(heads: Sequence[Head], reader: RowReader) -> bool:
    """Tell whether the request is one tensor with all fields of the signature, which must all be numbers."""
    head = heads[0]
    return (
        len(heads) == 1
        and head.name not in reader.places
        and len(head.shape) == 2
        and all(field.kind in (NUMBER, INTEGER) for field in reader.signature.inputs)
    )


def typed_columns(tensors: Sequence[Tensor], reader: RowReader) -> list[list[Any]]:
    """Return typed values by column, in the order of the signature.

    Raises:
        Problem: 422 for tensors that the signature does not know, lacks or takes with other values.
    """
    heads = [tensor.head for tensor in tensors]
    if is_matrix(heads, reader):
        tensors = _split(tensors[0], reader)
    errors = _unexpected([tensor.head for tensor in tensors], reader)
    if errors:
        raise invalid(errors)
    given, rows = {tensor.head.name: tensor for tensor in tensors}, heads[0].shape[0]
    columns: list[list[Any]] = []
    for field in reader.signature.inputs:
        tensor = given.get(field.name)
        column, wrong = ([None] * rows, _absent(field)) if tensor is None else _typed(tensor, field)
        columns.append(column)
        errors += wrong
    if errors:
        raise invalid(errors)
    return columns


def loose_rows(tensors: Sequence[Tensor]) -> list[dict[str, Any]]:
    """Return rows by name, their values not yet compared with a signature.

    Raises:
        Problem: 422 for a tensor with more than one value per row.
    """
    wide = [tensor.head for tensor in tensors if len(tensor.head.shape) == 2 and tensor.head.shape[1] != 1]
    if wide:
        message = "the versions at this endpoint want different inputs; send one tensor [rows] or [rows, 1] per field"
        raise invalid([FieldError(field=f"{wide[0].spot}.shape", message=message)])
    columns = {tensor.head.name: _plain(tensor.values) for tensor in tensors}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _split(tensor: Tensor, reader: RowReader) -> list[Tensor]:
    """Cut a matrix into one tensor per field."""
    head, names = tensor.head, reader.names
    rows, width = head.shape
    if width != len(names):
        message = f"{width} values per row; the model takes {len(names)}: {', '.join(names[:MAX_SHOWN])}"
        raise invalid([FieldError(field=f"{head.spot}.shape", message=message)])
    if head.datatype not in NUMBERS:
        raise invalid([FieldError(field=f"{head.spot}.datatype", message=f"it is {head.datatype}; send FP64")])
    return [
        Tensor(Head(head.spot, name, head.datatype, (rows,), head.raw), tensor.values[place::width], place, width)
        for place, name in enumerate(names)
    ]


def _unexpected(heads: Iterable[Head], reader: RowReader) -> list[FieldError]:
    errors: list[FieldError] = []
    for head in heads:
        if len(errors) >= MAX_SHOWN:
            break
        place = reader.places.get(head.name)
        if place is None:
            message = f"`{head.name[:100]}` is no field; {did_you_mean(head.name[:100], reader.names)}"
            errors.append(FieldError(field=f"{head.spot}.name", message=message))
            continue
        takes = TAKES[reader.signature.inputs[place].kind]
        if head.datatype not in takes:
            message = f"`{head.name}` is {head.datatype}; send {DATATYPE_OF[reader.signature.inputs[place].kind]}"
            errors.append(FieldError(field=f"{head.spot}.datatype", message=message))
        if len(head.shape) == 2 and head.shape[1] != 1:
            message = f"it is {list(head.shape)}; `{head.name}` has one value per row: send [rows] or [rows, 1]"
            errors.append(FieldError(field=f"{head.spot}.shape", message=message))
    return errors


def _absent(field: Field) -> list[FieldError]:
    if field.nullable:
        return []
    _, message = typed_value(field, None, missing=True)
    return [FieldError(field="inputs", message=f"no tensor `{field.name}`: {message}")]


def _typed(tensor: Tensor, field: Field) -> tuple[list[Any], list[FieldError]]:
    values = tensor.values
    if isinstance(values, np.ndarray):
        quick = _quickly(values, field)
        if quick is not None:
            return quick, []
    column, errors = list[Any](), list[FieldError]()
    for number, value in enumerate(_plain(values)):
        typed, message = typed_value(field, value, missing=False)
        column.append(typed)
        if message:
            spot = f"{tensor.head.spot}.data[{tensor.first + number * tensor.step}]"
            errors.append(FieldError(field=spot, message=f"`{field.name}`: {message}"))
    return column, errors


def _quickly(values: NDArray[Any], field: Field) -> list[Any] | None:
    """Return all values at once, when they are of the right type and there is nothing to say about any."""
    if field.kind == NUMBER:
        wide = values.astype(np.float64)  # first: the bound does not fit into FP16
        return wide.tolist() if np.abs(wide).max() <= MAX_NUMBER else None  # not for NaN
    if (field.kind == INTEGER and values.dtype.kind in "iu" and values.dtype != np.uint64) or field.kind == BOOLEAN:
        return values.tolist()
    return None


def _plain(values: Values) -> list[Any]:
    """Return values as JSON would have them: NaN is null."""
    plain = values.tolist() if isinstance(values, np.ndarray) else values
    return [None if value != value else value for value in plain]
