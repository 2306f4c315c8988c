"""Score the evaluation rows again with one input spoiled or moved, as lines of the gate section ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.bundle.protocol import Predictor
from detent.errors import DetentError, Place, ProjectError, did_you_mean
from detent.gate.declared import Stressed
from detent.records.check import Check
from detent.records.signature import BOOLEAN, INTEGER, NUMBER, Field

MOST = 2_000  # rows: each input and each value costs a scoring of them all
STEPS = 8  # values of a number that is moved: quantiles
MOST_VALUES = 12  # of a text that is moved, the most frequent ones, when the line names none
FACTOR = 1_000.0  # of `scaled`: metres for kilometres, grams for kilograms
ANY = "any"
_ROW = "detent_row"
_NUMBERS = (NUMBER, INTEGER)
_STRESSES, _MOVES = ("robustness",), ("monotone", "invariant")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """The rows that are stressed, and the model that scores them."""

    predictor: Predictor
    rows: pl.DataFrame  # in the order of the evaluation rows
    time: str | None  # column that says which row is the earliest; None: the first one is
    entity: str | None  # column whose rows have a history of their own
    seed: int

    def field(self, name: str, check: Check) -> Field:
        """Return an input of the model.

        Raises:
            ProjectError: it has none of this name.
        """
        fields = {field.name: field for field in self.predictor.signature.inputs}
        if name in fields:
            return fields[name]
        raise _mistake(check, f"`{name}` is no input of the model", did_you_mean(name, tuple(fields)))

    def column(self, name: str) -> pl.Series:
        """Return an input as it is; one that the rows lack is all null."""
        return self.rows[name] if name in self.rows.columns else pl.Series(name, [None] * self.rows.height)

    def score(self, name: str, values: Sequence[object]) -> NDArray[np.float64]:
        """Return the scores of all rows with one input replaced."""
        columns: dict[str, Sequence[object]] = {
            field.name: self.rows[field.name].to_list()
            for field in self.predictor.signature.inputs
            if field.name != name and field.name in self.rows.columns
        }
        return self.predictor.predict({**columns, name: values})


def stress(
    predictor: Predictor,
    rows: pl.DataFrame,
    checks: Sequence[Check],
    *,
    seed: int,
    time: str | None = None,
    entity: str | None = None,
) -> Stressed | None:
    """Return the scores under every stress that the checks ask for, on at most 2,000 rows; None: none asks.

    Raises:
        ProjectError: a check names a column that is no input, or one that can't be spoiled or moved in this way.
    """
    asked = [check for check in checks if check.kind in (*_STRESSES, *_MOVES)]
    if not asked:
        return None
    chosen = np.arange(rows.height)
    if rows.height > MOST:
        chosen = np.sort(np.random.default_rng(seed).choice(rows.height, MOST, replace=False))
    where = Scored(predictor=predictor, rows=rows[chosen], time=time, entity=entity, seed=seed)
    scores: dict[str, NDArray[np.float64]] = {}
    refused: dict[str, str] = {}
    closed: dict[str, tuple[str, ...]] = {}
    for check in (one for one in asked if one.kind in _STRESSES):
        kind, column = check.arguments[0]
        open_to, closed[kind] = _spoilable(where, kind)
        for name in open_to if column == ANY else [column]:
            _spoil_once(where, check, kind, name, scores=scores, refused=refused)
    moved = {check.text: _moved(where, check) for check in asked if check.kind in _MOVES}
    return Stressed(rows=chosen, scores=scores, refused=refused, closed=closed, moved=moved)


def _spoilable(where: Scored, kind: str) -> tuple[list[str], tuple[str, ...]]:
    """Return the inputs that can be spoiled so, and those that can't: a text has no standard deviation."""
    fields = where.predictor.signature.inputs
    able = [field.name for field in fields if _why_not(field, kind) == ""]
    return able, tuple(field.name for field in fields if field.name not in able)


def _why_not(field: Field, kind: str) -> str:
    if kind == "missing" and not field.nullable:
        return f"a request without `{field.name}` is refused, for it was never missing in training"
    if kind in ("shifted", "scaled") and field.kind not in _NUMBERS:
        return f"`{field.name}` is a {field.kind}, not a number"
    return ""


def _spoil_once(
    where: Scored,
    check: Check,
    kind: str,
    name: str,
    *,
    scores: dict[str, NDArray[np.float64]],
    refused: dict[str, str],
) -> None:
    key = f"{kind}:{name}"
    if key in scores or key in refused:
        return
    field = where.field(name, check)
    why = _why_not(field, kind)
    if why and kind != "missing":
        raise _mistake(check, f"`{name}` can't be {kind}: {why}", "use missing, shuffled or stale")
    if why:
        refused[key] = why
        return
    try:
        scores[key] = where.score(name, _SPOIL[kind](where, field))
    except DetentError as error:
        refused[key] = error.what


def _missing(where: Scored, _field: Field) -> Sequence[object]:
    return [None] * where.rows.height


def _shifted(where: Scored, field: Field) -> Sequence[object]:
    values = where.column(field.name)
    step = _spread(values)
    return (values + (max(1, round(step)) if field.kind == INTEGER else step)).to_list()


def _scaled(where: Scored, field: Field) -> Sequence[object]:
    return (where.column(field.name) * (int(FACTOR) if field.kind == INTEGER else FACTOR)).to_list()


def _shuffled(where: Scored, field: Field) -> Sequence[object]:
    order = np.random.default_rng([where.seed, crc32(field.name.encode())]).permutation(where.rows.height)
    return where.column(field.name)[order].to_list()


def _stale(where: Scored, field: Field) -> Sequence[object]:
    """A feed that stopped: the value of the earliest row, of the same entity where there is one."""
    rows = where.rows.with_columns(where.column(field.name)).with_row_index(_ROW)
    first = pl.col(field.name).sort_by([name for name in (where.time, _ROW) if name in rows.columns]).first()
    if where.entity in rows.columns:
        return rows.select(first.over(where.entity))[field.name].to_list()
    return rows.select(first)[field.name].to_list() * rows.height


_SPOIL: Mapping[str, Callable[[Scored, Field], Sequence[object]]] = {
    "missing": _missing,
    "shifted": _shifted,
    "scaled": _scaled,
    "shuffled": _shuffled,
    "stale": _stale,
}


def _spread(values: pl.Series) -> float:
    found = values.cast(pl.Float64)
    spread = found.filter(found.is_finite()).std()
    return float(spread) if isinstance(spread, int | float) and spread > 0.0 else 1.0


def _moved(where: Scored, check: Check) -> NDArray[np.float64]:
    """Return scores (rows, values): each row with the input at each value; of `invariant` also as it is."""
    arguments = dict(check.arguments)
    field = where.field(arguments["column"], check)
    values = where.column(field.name)
    if check.kind == "monotone":
        if field.kind not in _NUMBERS:
            fix = "name a number, or use `invariant`"
            raise _mistake(check, f"`{field.name}` is a {field.kind}: it neither rises nor falls", fix)
        levels, columns = _quantiles(values, field), []
    else:
        named = [value for name, value in check.arguments if name == "value"]
        levels = [_parsed(value, field, check) for value in named] if named else _levels(values, field)
        columns = [where.score(field.name, values.to_list())]
    columns += [where.score(field.name, [level] * values.len()) for level in levels]
    return np.column_stack(columns) if columns else np.empty((values.len(), 0))


def _quantiles(values: pl.Series, field: Field) -> list[float | int]:
    found = values.cast(pl.Float64)
    finite = found.filter(found.is_finite()).to_numpy()
    if not finite.size:
        return []
    points = np.unique(np.quantile(finite, np.linspace(0.0, 1.0, STEPS), method="nearest"))
    return [int(point) if field.kind == INTEGER else float(point) for point in points]


def _levels(values: pl.Series, field: Field) -> list[object]:
    if field.kind in _NUMBERS:
        return list(_quantiles(values, field))
    counted = values.drop_nulls().value_counts().sort("count", values.name, descending=[True, False])
    return counted[values.name].head(MOST_VALUES).to_list()


def _parsed(text: str, field: Field, check: Check) -> object:
    try:
        if field.kind == BOOLEAN:
            return {"true": True, "false": False}[text.lower()]
        return int(text) if field.kind == INTEGER else float(text) if field.kind == NUMBER else text
    except (ValueError, KeyError):
        raise _mistake(check, f"`{text}` is no value of `{field.name}`", f"it is a {field.kind}") from None


def _mistake(check: Check, what: str, fix: str) -> ProjectError:
    where = Place(file="detent.yaml", line=check.line or None, field="gate")
    return ProjectError(what=what, why=f"the check `{check.text}` asks for it", fix=fix, where=where)
