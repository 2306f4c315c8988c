"""What a line of `expect` may be: which words there are, what each takes, and whether a line makes sense."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lark import Token

from detent.errors import did_you_mean
from detent.project.durations import SECONDS
from detent.project.lines import GrammarError, offset_of
from detent.records.expectation import FAIL, WARN, Bound

_MEASURES = ("limit", "scaled", "near", "inside")
STATISTICS = ("null_rate", "mean", "median", "min", "max", "std", "sum", "distinct", "unique_rate")


@dataclass(frozen=True, slots=True)
class Form:
    """How a line that begins with a word is written."""

    arguments: str  # "", "column", "columns", "column, text", "column, number", "reference", "text"
    predicates: tuple[str, ...]  # () : none
    example: str
    by_row: bool = False  # it judges rows one by one, so `for 99%` makes sense


FORMS: dict[str, Form] = {
    "rows": Form("", _MEASURES, "rows in 1000..1000000"),
    **{name: Form("column", _MEASURES, f"{name}(price) <= 5") for name in STATISTICS},
    "quantile": Form("column, number", _MEASURES, "quantile(price, 0.95) <= 500"),
    "range": Form("column", ("inside",), "range(price) in 0..5000", by_row=True),
    "length": Form("column", ("inside",), "length(code) in 2..3", by_row=True),
    "values": Form("column", ("among", "outside"), "values(origin) in [EWR, JFK]", by_row=True),
    "filled": Form("column", (), "filled(carrier) for 95%", by_row=True),
    "empty": Form("column", (), "empty(cancelled_at) for 95%", by_row=True),
    "match": Form("column, text", (), 'match(code, "^N[0-9]+$")', by_row=True),
    "unique": Form("columns", (), "unique(carrier, flight)", by_row=True),
    "increasing": Form("column", (), "increasing(at)", by_row=True),
    "decreasing": Form("column", (), "decreasing(rank)", by_row=True),
    "has": Form("columns", (), "has(carrier, flight)"),
    "psi": Form("column", ("limit",), "psi(price) <= 0.2 vs last"),
    "ks": Form("column", ("limit",), "ks(price) <= 0.1 vs last"),
    "freshness": Form("column", ("limit",), "freshness(at) <= 2d"),
    "exists": Form("reference", (), "exists(dest in airports.faa)", by_row=True),
    "check": Form("text", (), 'check("arrived > departed")', by_row=True),
}
_SHARES = ("null_rate", "unique_rate")  # their number may be written with %
_SHIFTS = ("psi", "ks")


@dataclass(frozen=True, slots=True)
class Argument:
    """What stands between the brackets, or in a list."""

    kind: str  # "column" | "text" | "number" | "word" | "reference"
    token: Token
    other: str = ""  # "dataset.column" of a reference


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as written: what it is worth depends on the word that it is for."""

    number: Token
    unit: Token | None


@dataclass(frozen=True, slots=True)
class Predicate:
    """What follows the brackets."""

    kind: str  # "limit" | "scaled" | "near" | "inside" | "among" | "outside"
    token: Token | None  # where it begins
    op: str = ""
    quantity: Quantity | None = None
    number: float | None = None
    span: tuple[Quantity | Token | None, Quantity | Token | None] = (None, None)
    values: tuple[float | str | bool, ...] = ()
    last: bool = False


def read_arguments(name: Token, form: Form, given: list[Argument]) -> tuple[tuple[str, ...], str, str]:
    """Return (columns, argument, reference) of a subject."""
    wanted = form.arguments.split(", ") if form.arguments else []
    if wanted == ["columns"] and given:
        wanted = ["columns"] * len(given)
    if len(wanted) != len(given):
        raise GrammarError(f"`{name}` is written like `{form.example}`", offset_of(name))
    columns: list[str] = []
    argument = other = ""
    for want, part in zip(wanted, given, strict=True):
        is_column = want.startswith("column") and part.kind in ("column", "text")
        if not is_column and part.kind != want:
            raise GrammarError(f"`{part.token}` does not fit: write like `{form.example}`", offset_of(part.token))
        if is_column or want == "reference":
            columns.append(_unquoted(part.token))
            other = part.other
        else:
            argument = _CHECKED.get(str(name), _unquoted)(part.token)
    return tuple(columns), argument, other


def _pattern(token: Token) -> str:
    try:
        re.compile(_unquoted(token))
    except re.error as error:
        raise GrammarError(
            f"{token} is no regular expression: {error.msg}", offset_of(token) + 1 + (error.pos or 0)
        ) from error
    return _unquoted(token)


def _portion(token: Token) -> str:
    if not 0 <= float(token) <= 1:
        raise GrammarError(f"{token} is no quantile; give a number from 0 to 1, such as 0.95", offset_of(token))
    return str(token)


_CHECKED: dict[str, Callable[[Token], str]] = {"match": _pattern, "quantile": _portion}


def check_predicate(name: Token, form: Form, predicate: Predicate | None) -> None:
    """Refuse a comparison that does not belong to the word."""
    if predicate is None and not form.predicates:
        return
    if predicate is None or predicate.kind not in form.predicates:
        place = name if predicate is None or predicate.token is None else predicate.token
        raise GrammarError(f"`{name}` is written like `{form.example}`", offset_of(place))
    if predicate.kind != "limit" or predicate.last == (name in _SHIFTS):
        return
    if name in _SHIFTS:
        raise GrammarError(f"`{name}` compares with the last snapshot: write `{form.example}`", offset_of(name))
    raise GrammarError(
        f"write `{name} {predicate.op} 0.9 * last` for a share of the last value, or `within 10% vs last`",
        offset_of(predicate.token),
    )


def read_predicate(name: str, predicate: Predicate) -> dict[str, Any]:
    """Return the fields of an Expectation that a comparison sets."""
    low, high = (_bound(name, end) for end in predicate.span)
    _check_span(low, high, predicate.token)
    threshold = predicate.number if predicate.quantity is None else _worth(name, predicate.quantity)
    return {
        "op": predicate.op,
        "threshold": threshold,
        "low": low,
        "high": high,
        "values": predicate.values,
        "last": predicate.last,
    }


def _check_span(low: Bound | None, high: Bound | None, token: Token | None) -> None:
    if low is None or high is None:
        return
    if isinstance(low, float) != isinstance(high, float):
        raise GrammarError("one end is a number and the other a date", offset_of(token))
    if low > high:  # pyright: ignore[reportOperatorIssue]  (both are numbers, or both ISO times)
        raise GrammarError(f"{low} .. {high} holds nothing; write the smaller end first", offset_of(token))


def _bound(name: str, end: Quantity | Token | None) -> Bound | None:
    if end is None:
        return None
    if isinstance(end, Quantity):
        return _worth(name, end)
    if name not in ("range", "min", "max"):
        raise GrammarError(f"`{name}` is a number, not a date", offset_of(end))
    return str(end)


def _worth(name: str, quantity: Quantity) -> float:
    """Return a quantity in its unit: seconds for an age, a share for %, else as it is."""
    number, unit = float(quantity.number), quantity.unit
    if name == "freshness":
        if unit is None or unit not in SECONDS:
            raise GrammarError(
                f"{quantity.number} of what? an age needs a unit, such as 2d", offset_of(quantity.number)
            )
        return number * SECONDS[str(unit)]
    if unit is None:
        return number
    if unit != "%" or name not in _SHARES:
        takes = "no unit but %" if name in _SHARES else "no unit"
        raise GrammarError(f"the unit `{unit}` does not fit: `{name}` takes {takes}", offset_of(unit))
    return number / 100.0


def read_share(name: Token, form: Form, share: Token | None) -> float:
    """Return the least share of rows that `for 99%` asks for; 1.0 without it."""
    if share is None:
        return 1.0
    if not form.by_row:
        raise GrammarError(f"`{name}` judges the whole table: `for {share}%` is for rows", offset_of(share))
    if not 0 < float(share) <= 100:
        raise GrammarError(f"{share}% is no share; give more than 0% and up to 100%", offset_of(share))
    return float(share) / 100.0


def read_severity(word: Token | None) -> str:
    """Return what `-> warn` or `-> fail` says; "fail" without it."""
    if word is None:
        return FAIL
    if word not in (FAIL, WARN):
        raise GrammarError(f"`{word}` is no severity; {did_you_mean(word, (WARN, FAIL))}", offset_of(word))
    return str(word)


def read_item(item: Argument) -> float | str | bool:
    """Return an item of a list: a number, true, false or a text."""
    text = str(item.token)
    if item.kind == "number":
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    if item.kind == "word" and text in ("true", "false"):
        return text == "true"
    return _unquoted(item.token)


def _unquoted(token: Token) -> str:
    return token[1:-1] if token.startswith(('"', "'")) else str(token)
