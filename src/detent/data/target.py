"""Rows whose label is known by a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from detent.data.times import utc_column
from detent.errors import DataError, Place, did_you_mean
from detent.records.project import Target

_KNOWN_AT, _LABEL = "__known_at__", "__label__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Rows with their label, and how many had to be left out."""

    frame: pl.DataFrame  # the given columns, then the label (Int8 for binary, String for multiclass, else Float64)
    unknown: int  # rows without an outcome by the moment
    nulls: int  # rows whose outcome is known but holds no label (null or NaN)


def with_labels(
    rows: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    target: Target,
    key: str,
    as_of: datetime | None,
    time: str | None = None,
) -> Labelled:
    """Give each row its label where that is known by `as_of`, and leave the other rows out; the order stays.

    `outcomes` is the dataset `target.data`: another table with the same `key`, or the very dataset that `rows` came
    from. A label is known from `target.known_at` on, or from the dataset's own `time` column; without either, always.
    Of several outcomes for a key the one known last by `as_of` counts (on a tie, the later row): a correction replaces
    what it corrects. A column of `rows` with the label's name is replaced, never used.

    Raises:
        DataError: a column is missing, no row has a label by then, all labels are equal, or a label has the wrong kind
            (binary: 0, 1, true or false; regression: finite numbers; multiclass: one of the declared classes).
    """
    known_at = target.known_at or time
    truth = _truth(outcomes, target, key, known_at, as_of)
    if key not in rows.columns:
        raise _no_column("the rows", key, rows.columns, "labels are joined by it")
    if rows.schema[key] != truth.schema[key]:
        raise DataError(
            what=f"key `{key}` is {rows.schema[key]} in the rows and {truth.schema[key]} in `{target.data}`",
            why="keys of different types match nothing",
            fix="store the key with one type in both datasets",
        )
    joined = rows.drop(target.column, strict=False).join(truth, on=key, how="left", maintain_order="left")
    known = joined.filter(pl.col(_KNOWN_AT).is_not_null())
    labelled = known.filter(pl.col(_LABEL).is_not_null())
    if labelled.height == 0:
        raise DataError(
            what="no row has a label yet",
            why=f"of {rows.height:,} rows, {rows.height - known.height:,} have no outcome in `{target.data}`"
            f"{'' if as_of is None else f' by {as_of.isoformat()}'} and {known.height:,} have a null `{target.column}`",
            fix=f"ask for a later moment, or check that `{key}` means the same in both datasets",
        )
    frame = labelled.drop(_KNOWN_AT).rename({_LABEL: target.column})
    _refuse_constant(frame[target.column], target)
    return Labelled(frame=frame, unknown=rows.height - known.height, nulls=known.height - labelled.height)


def _truth(
    outcomes: pl.DataFrame, target: Target, key: str, known_at: str | None, as_of: datetime | None
) -> pl.DataFrame:
    """Return one row per key: the key, the label, and when it became known (never null)."""
    for column in filter(None, (key, target.column, known_at)):
        if column not in outcomes.columns:
            raise _no_column(f"dataset `{target.data}`", column, outcomes.columns, "the target needs it")
    label = _label(outcomes[target.column], target).alias(_LABEL)
    if known_at is None:
        moments = pl.Series(_KNOWN_AT, [True]).new_from_index(0, outcomes.height)
    else:
        where = Place(file="detent.yaml", field="target.known_at")
        moments = utc_column(outcomes[known_at], dataset=target.data, where=where).alias(_KNOWN_AT)
    truth = pl.DataFrame([outcomes[key], label, moments]).drop_nulls([key, _KNOWN_AT])
    if known_at is not None and as_of is not None:
        truth = truth.filter(pl.col(_KNOWN_AT) <= as_of)
    if truth[key].n_unique() == truth.height:
        return truth
    return truth.sort(_KNOWN_AT, maintain_order=True).unique(key, keep="last", maintain_order=True)


def _label(label: pl.Series, target: Target) -> pl.Series:
    """Return the label as Int8, Float64 or, of several classes, as text; with NaN as null."""
    if target.classes:
        return _class(label, target)
    if not (label.dtype.is_numeric() or label.dtype == pl.Boolean):
        raise DataError(
            what=f"label `{target.column}` of `{target.data}` is {label.dtype}",
            why=f"a {target.task} target needs {'0 and 1' if target.task == 'binary' else 'numbers'}",
            fix="turn the label into numbers before it is ingested",
        )
    numbers = label.cast(pl.Float64).fill_nan(None)
    wrong = numbers.is_infinite() if target.task == "regression" else ~numbers.is_in([0.0, 1.0])
    rows = wrong.fill_null(False).arg_true()
    if len(rows):
        raise DataError(
            what=f"{len(rows):,} labels of `{target.data}` are not {'0 or 1' if target.task == 'binary' else 'finite'}",
            why=f"`{target.column}` holds {label[int(rows[0])]!r} in row {int(rows[0])}",
            fix="mend the labels" if target.task == "regression" else "mend the labels, or use `task: regression`",
        )
    return numbers.cast(pl.Int8) if target.task == "binary" else numbers


def _class(label: pl.Series, target: Target) -> pl.Series:
    """Return the names of the classes; whole numbers are names too."""
    named = label.dtype in (pl.String, pl.Categorical, pl.Enum) or label.dtype.is_integer()
    if not named:
        raise DataError(
            what=f"label `{target.column}` of `{target.data}` is {label.dtype}",
            why="a multiclass target needs names of classes, as text or whole numbers",
            fix="turn the label into text before it is ingested",
        )
    names = label.cast(pl.String)
    rows = (~names.is_in(list(target.classes))).fill_null(False).arg_true()
    if len(rows):
        name = str(names[int(rows[0])])
        raise DataError(
            what=f"{len(rows):,} labels of `{target.data}` are none of the declared classes",
            why=f"`{target.column}` holds `{name}` in row {int(rows[0])}",
            fix=f"mend the labels, or declare it at target.classes; {did_you_mean(name, target.classes)}",
        )
    return names


def _refuse_constant(label: pl.Series, target: Target) -> None:
    if label.n_unique() == 1:
        raise DataError(
            what=f"all {len(label):,} labels are equal",
            why=f"`{target.column}` is {label[0]} in every row that is labelled by now: there is nothing to learn",
            fix="bring more history, or check how the label is made",
        )


def _no_column(table: str, column: str, known: list[str], why: str) -> DataError:
    return DataError(what=f"column `{column}` is not in {table}", why=why, fix=did_you_mean(column, known))
