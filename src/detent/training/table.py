"""A frame made ready for training: which columns are inputs, of which kind, and a label that can be learnt."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.errors import DataError, did_you_mean
from detent.records.signature import BOOLEAN, INTEGER, NUMBER, PROBABILITIES, STRING, Field, Signature

BINARY, REGRESSION, CLASSES = "binary", "regression", "multiclass"
MOST_CLASSES = 100
OUTPUT = "prediction"  # name of the model's output in the reference profile
_OUTPUTS = {BINARY: "probability", REGRESSION: "value", CLASSES: PROBABILITIES}
_LONGEST_NAME = 200  # characters
_EXACT_INTEGER = 1 << 24  # float32 holds every whole number up to here


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """n rows to learn from."""

    task: str  # "binary" | "regression" | "multiclass"
    label: str
    signature: Signature
    inputs: pl.DataFrame  # n rows, the signature's columns in order; categories are strings here
    y: NDArray[np.float64]  # (n,) labels; 0 or 1 for binary; of classes their places in `signature.classes`
    notes: tuple[str, ...]

    def names(self, *kinds: str) -> list[str]:
        """Return the names of the inputs of these kinds, in order."""
        return [field.name for field in self.signature.inputs if field.kind in kinds]


def tabulate(frame: pl.DataFrame, *, label: str, exclude: Sequence[str], task: str) -> Table:
    """Check a frame and split it into inputs and label.

    Raises:
        DataError: no rows, no label, no input left, a column that no model takes or no request can name, labels that
            can't be learnt.
    """
    if not isinstance(frame, pl.DataFrame):
        raise DataError(
            what=f"training takes a Polars DataFrame, not a {type(frame).__name__}",
            why="kinds and nulls of columns are read from its schema",
            fix="call `.collect()` on a LazyFrame, or `polars.from_pandas` on a pandas frame",
        )
    if task not in _OUTPUTS:
        raise DataError(
            what=f"there is no task `{task}`",
            why="a model gives one score, or a probability per class",
            fix="use binary, regression or multiclass",
        )
    _check_names(frame, label, exclude)
    y, classes = _read_classes(frame[label]) if task == CLASSES else (_read_label(frame[label], task), ())
    columns = [name for name in frame.columns if name != label and name not in set(exclude)]
    if not columns:
        raise DataError(
            what="no feature is left to train on",
            why=f"the frame has {frame.width} columns; the label and the excluded ones are all of them",
            fix="exclude fewer columns, or make features first",
        )
    for name in columns:
        _check_carried(name)
    fields = tuple(_field(frame[name]) for name in columns)
    inputs = frame.select(pl.col(f.name).cast(pl.String) if f.kind == STRING else pl.col(f.name) for f in fields)
    return Table(
        task=task,
        label=label,
        signature=Signature(inputs=fields, output=_OUTPUTS[task], classes=classes),
        inputs=inputs,
        y=y,
        notes=tuple(note for name in columns for note in _notes(inputs[name])),
    )


def columns_of(inputs: pl.DataFrame, signature: Signature) -> dict[str, Sequence[object]]:
    """Return a predictor's columns: float32 arrays with NaN for null, and lists of strings with None for null."""
    columns: dict[str, Sequence[object]] = {}
    for field in signature.inputs:
        series = inputs[field.name]
        columns[field.name] = series.to_list() if field.kind == STRING else float32(series)  # pyright: ignore[reportArgumentType]
    return columns


def float32(series: pl.Series) -> NDArray[np.float32]:
    """Return what the graph sees of a number, integer or boolean column: float32, null as NaN."""
    return series.cast(pl.Float32).fill_null(float("nan")).to_numpy()


def _check_names(frame: pl.DataFrame, label: str, exclude: Sequence[str]) -> None:
    if frame.height == 0:
        raise DataError(
            what="there are no rows to train on",
            why="the frame is empty",
            fix="look at the step before: a filter, a join or a time split may have taken every row",
        )
    for role, name in [("label", label), *(("excluded column", name) for name in exclude)]:
        if name not in frame.columns:
            raise DataError(
                what=f"the {role} `{name}` is not in the training frame",
                why=f"it has {frame.width} columns",
                fix=did_you_mean(name, frame.columns),
            )
    if OUTPUT in frame.columns and OUTPUT not in (label, *exclude):
        raise DataError(
            what=f"a feature can't be named `{OUTPUT}`",
            why="the reference profile keeps the model's own scores under that name",
            fix="rename the column",
        )


def _check_carried(name: str) -> None:
    """Refuse a feature that no request could name: the server reads requests by the names of the features."""
    why = ""
    if not name:
        why = "its name is empty"
    elif len(name) > _LONGEST_NAME:
        why = f"its name has {len(name):,} characters, and {_LONGEST_NAME} is the most"
    elif '"' in name or "\\" in name:
        why = "its name holds a double quote or a backslash, which JSON writes in another way"
    elif any(unicodedata.category(character) == "Cc" for character in name):
        why = "its name holds a control character, such as a tab or the end of a line"
    if why:
        shown = json.dumps(name[:40], ensure_ascii=False) + ("..." if len(name) > 40 else "")
        raise DataError(
            what=f"the column {shown} can't be a feature",
            why=f"{why}, so that no prediction request could carry it",
            fix="rename the column in features.py",
        )


def _read_label(series: pl.Series, task: str) -> NDArray[np.float64]:
    if not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
        fix = "turn it into numbers (0 and 1 for a binary task); if it names classes, train with task='multiclass'"
        raise _bad_label(series, f"it holds {series.dtype}", fix)
    y = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    unknown = int(np.count_nonzero(~np.isfinite(y)))
    if unknown:
        raise _bad_label(
            series, f"{unknown} of {len(y)} labels are null, NaN or infinite", "drop rows whose label is unknown"
        )
    values = np.unique(y)
    if len(values) == 1:
        raise _bad_label(series, f"every label is {values[0]:g}", "train on rows that show more than one outcome")
    if task == BINARY and not np.array_equal(values, [0.0, 1.0]):
        shown = ", ".join(f"{value:g}" for value in values[:5])
        raise _bad_label(
            series, f"a binary label is 0 or 1, and it holds {shown}{', ...' if len(values) > 5 else ''}",
            "turn it into 0 and 1, or use task=regression",
        )  # fmt: skip
    return y


def _read_classes(series: pl.Series) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the place of each row's class among the classes, and these, sorted as text: the same for every run."""
    if not (series.dtype in (pl.String, pl.Categorical, pl.Enum) or series.dtype.is_integer()):
        raise _bad_label(series, f"it holds {series.dtype}", "give each class a name, as text")
    if series.null_count():
        why = f"{series.null_count()} of {series.len()} labels are null"
        raise _bad_label(series, why, "drop rows whose label is unknown")
    texts = series.cast(pl.String)
    classes = tuple(sorted(texts.unique().to_list()))
    if not 3 <= len(classes) <= MOST_CLASSES:
        fix = "use task=binary for two" if len(classes) < 3 else "group the rare ones"
        raise _bad_label(series, f"it has {len(classes)} classes, and 3 to {MOST_CLASSES} can be learnt", fix)
    place = {name: code for code, name in enumerate(classes)}
    return np.array([place[text] for text in texts], dtype=np.float64), classes


def _bad_label(series: pl.Series, why: str, fix: str) -> DataError:
    return DataError(what=f"the label `{series.name}` can't be learnt", why=why, fix=fix)


def _field(series: pl.Series) -> Field:
    dtype = series.dtype
    has_nulls = series.null_count() > 0
    if dtype.is_integer():
        return Field(name=series.name, kind=INTEGER, nullable=has_nulls)
    if dtype.is_float():
        return Field(name=series.name, kind=NUMBER, nullable=True)
    if dtype == pl.Boolean:
        return Field(name=series.name, kind=BOOLEAN, nullable=has_nulls)
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return Field(name=series.name, kind=STRING, nullable=True)
    fixes = {
        "temporal": "exclude it (`exclude=[...]`), or make numbers of it, such as `.dt.hour()`",
        "decimal": "cast it to Float64",
        "other": "exclude it, or turn it into numbers, strings or booleans",
    }
    group = "temporal" if dtype.is_temporal() else "decimal" if dtype.is_decimal() else "other"
    raise DataError(
        what=f"column `{series.name}` can't be a feature",
        why=f"it holds {dtype}; a model takes numbers, integers, strings and booleans",
        fix=fixes[group],
    )


def _notes(series: pl.Series) -> list[str]:
    notes = []
    if series.n_unique() == 1:
        notes.append(f"column `{series.name}` has one value in all training rows, so the model learnt nothing from it")
    if series.dtype.is_integer():
        low, high = series.min(), series.max()
        if isinstance(low, int) and isinstance(high, int) and max(-low, high) > _EXACT_INTEGER:
            notes.append(f"column `{series.name}` holds integers beyond 2^24, which the model sees rounded (float32)")
    return notes
