"""Call the project's feature function and hold it to its promise: one row per row, in order."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from detent.errors import DataError, DetentError, Place, ProjectError, did_you_mean
from detent.records.project import Source

_SUFFIX = "_right"  # what Polars appends when a join brings a second column of the same name


def build_features(function: Callable[..., Any], frames: Mapping[str, pl.DataFrame], *, rows: Source) -> pl.DataFrame:
    """Return the features of every row of the dataset `rows`, made by the project's function.

    The function gets the datasets that its parameters name. A parameter with a default value may name something else.

    Raises:
        ProjectError: a parameter is no dataset, the function raises, or its result is no DataFrame.
        DataError: the result has not one row per row of `rows` in the same order with the same keys, or a join left two
            columns of one name in it.
    """
    place = _place_of(function)
    given = {name: frames[name] for name in _wanted(function, frames, place)}
    try:
        result = function(**given)
    except DetentError:
        raise
    except Exception as error:
        raise _crashed(function, error, place) from error
    if not isinstance(result, pl.DataFrame):
        lazy = isinstance(result, pl.LazyFrame)
        raise ProjectError(
            what=f"`{_name(function)}` returned no DataFrame",
            why=f"it returned {type(result).__name__}",
            fix="add .collect() at its end" if lazy else "return a polars.DataFrame with one row per row",
            where=place,
        )
    _check_rows(result, frames[rows.name], rows, _name(function), place)
    _check_columns(result, _name(function), place)
    return result


def _wanted(function: Callable[..., Any], frames: Mapping[str, pl.DataFrame], place: Place | None) -> list[str]:
    wanted = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ProjectError(
                what=f"parameter `{name}` of `{_name(function)}` can't be filled",
                why="datasets are passed by name",
                fix="name each dataset as an ordinary parameter",
                where=place,
            )
        if name in frames:
            wanted.append(name)
        elif parameter.default is parameter.empty:
            raise ProjectError(
                what=f"parameter `{name}` of `{_name(function)}` is no dataset",
                why="each parameter gets the dataset of its name from the `data` section of detent.yaml",
                fix=did_you_mean(name, sorted(frames)),
                where=place,
            )
    return wanted


def _check_rows(result: pl.DataFrame, rows: pl.DataFrame, source: Source, function: str, place: Place | None) -> None:
    key = source.key
    if key is not None and key not in result.columns:
        raise DataError(
            what=f"the result of `{function}` has no column `{key}`",
            why=f"`{key}` is the key of `{source.name}`: labels and predictions are joined by it",
            fix=f"keep `{key}` in the result. {did_you_mean(key, result.columns)}",
            where=place,
        )
    if result.height != rows.height:
        raise DataError(
            what=f"`{function}` turned {rows.height:,} rows of `{source.name}` into {result.height:,}",
            why="a join that finds no match may drop a row, and one that finds several repeats it; "
            "every row must get exactly one prediction",
            fix='use how="left", make the other table unique by its key, or use detent.features.latest_known',
            where=place,
        )
    if key is not None and not result[key].equals(rows[key], check_dtypes=True, null_equal=True):
        raise _misordered(result, rows, source, key, function, place)


def _misordered(
    result: pl.DataFrame, rows: pl.DataFrame, source: Source, key: str, function: str, place: Place | None
) -> DataError:
    if result.schema[key] != rows.schema[key]:
        why = f"it is {result.schema[key]} in the result and {rows.schema[key]} in `{source.name}`"
        return DataError(
            what=f"`{function}` changed the key `{key}`", why=why, fix="return the key as it came", where=place
        )
    first = int(result[key].ne_missing(rows[key]).arg_true()[0])
    why = f"row {first} should be {rows[key][first]!r} and is {result[key][first]!r}"
    if result[key].sort().equals(rows[key].sort(), null_equal=True):
        what, fix = "changed the order of the rows", 'sort them back, or join with maintain_order="left"'
    else:
        what, fix = f"changed the key `{key}`", "return the key as it came"
    return DataError(what=f"`{function}` {what} of `{source.name}`", why=why, fix=fix, where=place)


def _check_columns(result: pl.DataFrame, function: str, place: Place | None) -> None:
    for name in result.columns:
        first = name.removesuffix(_SUFFIX)
        if name.endswith(_SUFFIX) and first in result.columns:
            raise DataError(
                what=f"`{function}` returned two columns `{first}`",
                why=f"a join brought a second one and Polars called it `{name}`",
                fix="drop it before the join, rename it, or give the join a suffix that says what it is",
                where=place,
            )


def _crashed(function: Callable[..., Any], error: Exception, place: Place | None) -> ProjectError:
    own = place.file if place else ""
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == own:
            place = Place(file=own, line=frame.lineno)
    return ProjectError(
        what=f"`{_name(function)}` failed",
        why=f"{type(error).__name__}: {str(error) or 'no message'}",
        fix="mend the line below, or the data that it can't cope with",
        where=place,
    )


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _place_of(function: Callable[..., Any]) -> Place | None:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return None if code is None else Place(file=code.co_filename, line=code.co_firstlineno)
