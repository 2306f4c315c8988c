"""The shapes in which MLflow's clients write rows -> rows by name, or an error that names the field.

This is the patient way; what fits at once takes `frame_reader`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from detent.serving.problems import FieldError
from detent.serving.rows.validate import MAX_ROWS, MAX_SHOWN, invalid, named

SPLIT, RECORDS, INSTANCES, INPUTS = "dataframe_split", "dataframe_records", "instances", "inputs"
SHAPES = (SPLIT, RECORDS, INSTANCES, INPUTS)

NamedRow = dict[str, Any]


def rows_of(shape: str, value: Any, names: Sequence[str] | None) -> list[NamedRow]:
    """Return the rows that stand under one of SHAPES; `names` is the signature's order, None when there are several.

    Raises:
        Problem: 422 when they are not written as this shape asks.
    """
    rows = _READ[shape](value, names)
    if not 1 <= len(rows) <= MAX_ROWS:
        message = "no rows" if not rows else f"{len(rows):,} rows in one request; send at most {MAX_ROWS:,}"
        raise _wrong(shape, message)
    return rows


def _split(value: Any, _: Sequence[str] | None) -> list[NamedRow]:
    if not isinstance(value, dict):
        raise _wrong(SPLIT, f'it is {named(value)}; send {{"columns": [...], "data": [[...]]}}')
    columns, data = value.get("columns"), value.get("data")
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise _wrong(f"{SPLIT}.columns", f"it is {named(columns)}; send a list of names")
    twice = next((name for name, times in Counter(columns).items() if times > 1), None)
    if twice is not None:
        raise _wrong(f"{SPLIT}.columns", f"`{twice[:100]}` stands there twice")
    return _listed(f"{SPLIT}.data", data, columns)


def _records(value: Any, _: Sequence[str] | None) -> list[NamedRow]:
    return _named_rows(RECORDS, value)


def _instances(value: Any, names: Sequence[str] | None) -> list[NamedRow]:
    return _either(INSTANCES, value, names)


def _inputs(value: Any, names: Sequence[str] | None) -> list[NamedRow]:
    if not isinstance(value, dict):
        return _either(INPUTS, value, names)
    columns = {name: column if isinstance(column, list) else [column] for name, column in value.items()}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        first, longest = min(lengths), max(lengths)
        name = next(name for name, column in columns.items() if len(column) != first)
        raise _wrong(f"{INPUTS}.{name[:100]}", f"{longest} values, but another field has {first}")
    if max(lengths, default=0) > MAX_ROWS:
        return [{}] * max(lengths)  # which is refused for its length
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


_READ: Mapping[str, Callable[[Any, Sequence[str] | None], list[NamedRow]]] = {
    SPLIT: _split, RECORDS: _records, INSTANCES: _instances, INPUTS: _inputs,
}  # fmt: skip


def _either(shape: str, value: Any, names: Sequence[str] | None) -> list[NamedRow]:
    """Read a list of objects, or of lists in the signature's order."""
    if isinstance(value, list) and value and all(isinstance(row, list) for row in value):
        if names is None:
            raise _wrong(shape, "the versions at this endpoint want different inputs; send rows with names")
        return _listed(shape, value, names)
    return _named_rows(shape, value)


def _named_rows(shape: str, value: Any) -> list[NamedRow]:
    if not isinstance(value, list):
        raise _wrong(shape, f"it is {named(value)}; send a list of rows")
    wrong = [number for number, row in enumerate(value) if not isinstance(row, dict)][:MAX_SHOWN]
    if wrong:
        raise invalid([_error(f"{shape}[{at}]", f"a row is an object, not {named(value[at])}") for at in wrong])
    return value


def _listed(spot: str, data: Any, columns: Sequence[str]) -> list[NamedRow]:
    if not isinstance(data, list):
        raise _wrong(spot, f"it is {named(data)}; send a list of rows")
    if len(data) > MAX_ROWS:
        return [{}] * len(data)  # which is refused for its length
    wrong = [at for at, row in enumerate(data) if not isinstance(row, list) or len(row) != len(columns)][:MAX_SHOWN]
    if wrong:
        message = f"it must be a list of {len(columns)} values"
        raise invalid([_error(f"{spot}[{at}]", message) for at in wrong])
    return [dict(zip(columns, row, strict=True)) for row in data]


def _error(field: str, message: str) -> FieldError:
    return FieldError(field=field, message=message)


def _wrong(field: str, message: str) -> Exception:
    return invalid([_error(field, message)])
