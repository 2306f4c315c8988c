"""Columns of a request -> the one block of numbers that most model libraries take."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from struct import error as StructError

import numpy as np
from numpy.typing import NDArray

from detent.bundle.protocol import PredictionError
from detent.errors import DataError, Place, RefusedError
from detent.records.signature import STRING, Field, Signature

MAX_MESSAGE = 300  # characters of a library's own words that are passed on

Columns = Mapping[str, Sequence[object]]


def count_rows(columns: Columns, signature: Signature) -> int:
    """Return the number of rows, by the first input that is there; 0 when none is."""
    return next((len(columns[field.name]) for field in signature.inputs if field.name in columns), 0)


def block(columns: Columns, fields: Sequence[Field], rows: int) -> NDArray[np.float64]:
    """Return the inputs as float64 of shape (inputs, rows): row-major here, which is column-major for (rows, inputs).

    Null and NaN become NaN; True and False become 1 and 0.

    Raises:
        DataError: a required column is missing, lengths differ, or a value is no number.
    """
    try:
        made = np.array([columns[field.name] for field in fields], dtype=np.float64)
        if made.shape == (len(fields), rows):
            return made
    except (KeyError, TypeError, ValueError, OverflowError):
        pass  # column by column, to fill a missing one or name a bad one
    return np.array([_numbers(field, columns.get(field.name), rows) for field in fields], dtype=np.float64)


def values_of(field: Field, columns: Columns, rows: int) -> Sequence[object]:
    """Return one column as it is; a nullable one that is missing is all null.

    Raises:
        DataError: it is required and missing, or its length is another one.
    """
    values = columns.get(field.name)
    if values is None:
        if not field.nullable:
            raise bad_column(field, "it is missing", "send the column; only nullable ones may be left out")
        return [None] * rows
    if len(values) != rows:
        why = f"it has {len(values)} values, other columns have {rows}"
        raise bad_column(field, why, "send columns of one length")
    return values


class SingleRow:
    """Writes one row's numbers into a buffer of the model library: a NumPy array of it would cost more than the model.

    It holds no state, so several threads may share it; each brings a buffer of its own.
    """

    def __init__(self, signature: Signature, code: str = "d") -> None:
        self._fields = signature.inputs
        self._names = [field.name for field in signature.inputs]
        self._pack: Callable[..., None] = Struct(f"{len(self._names)}{code}").pack_into

    def write(self, columns: Columns, buffer: bytearray) -> None:
        """Fill `buffer` with the only row of `columns`.

        Raises:
            DataError: as `block`.
        """
        try:
            values = [columns[name][0] for name in self._names]
            if None in values:
                values = [math.nan if value is None else value for value in values]
            self._pack(buffer, 0, *values)
        except (KeyError, TypeError, IndexError, ValueError, OverflowError, StructError):
            self._pack(buffer, 0, *block(columns, self._fields, 1)[:, 0].tolist())


def one_per_row(given: object, rows: int, *, probability: bool) -> NDArray[np.float64]:
    """Return a model's answer as one float64 per row; of two columns of probabilities the second one is class 1.

    Raises:
        PredictionError: the shape is another one, or the answer holds no numbers.
    """
    try:
        scores = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PredictionError(
            what="the model did not answer with numbers",
            why=str(error)[:MAX_MESSAGE],
            fix="roll back to a version that answers",
        ) from error
    if probability and scores.shape == (rows, 2):
        scores = scores[:, 1]
    if scores.size != rows:
        raise PredictionError(
            what="the model did not give one score per row",
            why=f"the shape {scores.shape} came for {rows} rows",
            fix="roll back to a version that answers",
        )
    return scores.reshape(rows)


def table_of(given: object, rows: int, classes: int) -> NDArray[np.float64]:
    """Return a model's answer as float64 of shape (rows, classes).

    Raises:
        PredictionError: the shape is another one, or the answer holds no numbers.
    """
    try:
        scores = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise raised(error) from error
    if scores.shape != (rows, classes):
        raise PredictionError(
            what="the model did not give a probability for each class",
            why=f"the shape {scores.shape} came for {rows} rows and {classes} classes",
            fix="roll back to a version that answers",
        )
    return scores


def raised(error: BaseException | str) -> PredictionError:
    """Build the error for a model that failed on rows that fit its signature."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return PredictionError(
        what="the model raised",
        why=text[:MAX_MESSAGE],
        fix="roll back to a version that answers; then look at the rows that it failed on",
    )


def bad_column(field: Field, why: str, fix: str) -> DataError:
    """Build the error for a column that does not fit."""
    return DataError(
        what=f"column `{field.name}` does not fit the model",
        why=why,
        fix=fix,
        where=Place(file="inputs", field=field.name),
    )


def unloadable(
    file: str, why: str, fix: str = "make the file again, whole; a bundle, take from the run that made it"
) -> RefusedError:
    """Build the error for a model file that can't be loaded."""
    return RefusedError(what="the model file can't be loaded", why=why[:MAX_MESSAGE], fix=fix, where=Place(file=file))


def only_numbers(signature: Signature, file: str) -> None:
    """Refuse a signature with text for a model that takes numbers only.

    Raises:
        RefusedError: with the names of the inputs that are text.
    """
    texts = [field.name for field in signature.inputs if field.kind == STRING]
    if texts:
        raise unloadable(
            file,
            f"it takes numbers only, and these inputs are text: {', '.join(texts[:20])}",
            "turn text into numbers in the feature function, or export the whole pipeline as ONNX or skops",
        )


def same_names(own: Sequence[str], signature: Signature, file: str) -> None:
    """Refuse a model whose own names for its inputs are not the signature's, in order; () means it has none.

    Raises:
        RefusedError: with both lists.
    """
    expected = [field.name for field in signature.inputs]
    if own and list(own) != expected:
        raise unloadable(file, f"its inputs are {list(own)[:20]}, its signature says {expected[:20]}")


def _numbers(field: Field, values: Sequence[object] | None, rows: int) -> NDArray[np.float64]:
    column = values_of(field, {} if values is None else {field.name: values}, rows)
    try:
        return np.array(column, dtype=np.float64).reshape(rows)
    except (TypeError, ValueError, OverflowError) as error:
        why = f"a value is no number: {str(error)[:100]}"
        raise bad_column(field, why, "send numbers, booleans or null") from error
