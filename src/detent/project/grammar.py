"""The language of the `gate` section, as a grammar.

roc_auc >= 0.65                            a floor
roc_auc >= champion - 0.005 at 95%         against the champion on the same rows, by the 95 % bound
gap(roc_auc, by=origin) <= 0.08            largest difference between slices
latency_p99 <= 20ms      size <= 50MB      the exported artefact
leakage <= 0.999                           the limit of the check of that kind, which is always on

Grammar says what a line looks like; `_Build` refuses what reads well and makes no sense, such as a size in ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer

from detent.project.durations import BYTES, SECONDS
from detent.project.lines import GrammarError, offset_of, read_line
from detent.records.check import Check

_GRAMMAR = r"""
?start: gap | versus | threshold
gap: "gap" "(" NAME "," "by" "=" NAME ")" OP quantity [confidence]
versus: NAME OP "champion" [margin] [confidence]
threshold: NAME OP quantity [confidence]
margin: SIGN quantity
quantity: NUMBER [UNIT]
confidence: "at" NUMBER "%"
OP: ">=" | "<=" | ">" | "<"
SIGN: "+" | "-"
UNIT: /(us|ms|s|B|kB|KB|MB|GB|KiB|MiB|GiB|%)(?![A-Za-z0-9])/
NAME: /[A-Za-z_][A-Za-z0-9_]*/
NUMBER: /[+-]?\d+(\.\d+)?([eE][+-]?\d+)?/
%ignore /\s+/
"""

_WORDS = {
    "OP": "a comparison (>=, <=, > or <)",
    "NAME": "a name",
    "NUMBER": "a number",
    "UNIT": "a unit (ms, s, MB ...)",
    "SIGN": "+ or -",
    "CHAMPION": "champion",
    "GAP": "gap(",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": ",",
    "BY": "by",
    "EQUAL": "=",
    "AT": "at",
    "PERCENT": "%",
    "$END": "the end",
}

_TIMES = {unit: SECONDS[unit] for unit in ("us", "ms", "s")}
_UNITS = {"latency": _TIMES, "size": BYTES}  # by kind; every other number has no unit but %
_EXAMPLES = {"latency": "20ms", "size": "50MB"}
_ALWAYS_ON = ("baseline", "overlap", "provenance")
_LEAKAGE = "leakage"


def parse_check(text: str, line: int) -> Check:
    """Turn one line of the gate section into a Check.

    Raises:
        GrammarError: with what was expected, and where.
    """
    return read_line(text, _parser(), _Build(text, line), words=_WORDS, noun="check")


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A number as written: what it is worth depends on the metric that it is for."""

    number: Token
    unit: Token | None

    @property
    def text(self) -> str:
        return f"{self.number}{self.unit or ''}"


class _Build(Transformer[Token, Check]):
    """Parse tree -> Check."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__()
        self._text, self._line = " ".join(text.split()), line

    def quantity(self, parts: list[Any]) -> _Quantity:
        return _Quantity(*parts)

    def confidence(self, parts: list[Any]) -> tuple[float, int]:
        percent = float(parts[0])
        if not 50.0 <= percent < 100.0:
            raise GrammarError(
                f"{percent:g}% is no confidence; give at least 50% and less than 100%", offset_of(parts[0])
            )
        return percent / 100.0, offset_of(parts[0])

    def margin(self, parts: list[Any]) -> float:
        size = _worth("versus", "the margin", parts[1])
        return size if parts[0] == "+" else -size

    def threshold(self, parts: list[Any]) -> Check:
        metric, op, value, confidence = parts
        kind = _kind(metric)
        if kind != "threshold" and not op.startswith("<"):
            raise GrammarError(
                f"`{metric} {op}` asks for more of it; write {_limit_example(kind, metric)}", offset_of(op)
            )
        threshold = _worth(kind, f"`{metric}`", value)
        if kind == _LEAKAGE:
            _check_leakage(op, value, threshold, confidence)
        return self._check(kind, metric, op, threshold, confidence)

    def versus(self, parts: list[Any]) -> Check:
        metric, op, margin, confidence = parts
        _check_is_metric(metric)
        return self._check("versus", metric, op, margin or 0.0, confidence)

    def gap(self, parts: list[Any]) -> Check:
        metric, column, op, value, confidence = parts
        _check_is_metric(metric)
        return self._check("gap", metric, op, _worth("gap", "a gap", value), confidence, by=str(column))

    def _check(
        self, kind: str, metric: str, op: str, threshold: float, confidence: tuple[float, int] | None,
        by: str | None = None,
    ) -> Check:  # fmt: skip
        return Check(
            text=self._text,
            kind=kind,
            metric=str(metric),
            op=str(op),
            threshold=threshold,
            confidence=confidence[0] if confidence else None,
            by=by,
            line=self._line,
        )


def _kind(metric: Token) -> str:
    """Return the kind of check that a line `metric <= number` asks for."""
    if metric in _ALWAYS_ON:
        raise GrammarError(f"`{metric}` is always on and has no limit to set; remove the line", offset_of(metric))
    if metric in ("size", _LEAKAGE):
        return str(metric)
    return "latency" if metric.startswith("latency") else "threshold"


def _check_is_metric(metric: Token) -> None:
    """Refuse to compare what is not a metric of quality, such as a size, with the champion or between slices."""
    kind = _kind(metric)
    if kind != "threshold":
        raise GrammarError(
            f"`{metric}` takes a fixed limit only; write {_limit_example(kind, metric)}", offset_of(metric)
        )


def _check_leakage(op: Token, value: _Quantity, limit: float, confidence: tuple[float, int] | None) -> None:
    example = _limit_example(_LEAKAGE, _LEAKAGE)
    if op != "<=":
        raise GrammarError(f"the limit of leakage is written with `<=`; write {example}", offset_of(op))
    if not 0.5 <= limit <= 1.0:
        raise GrammarError(
            f"{value.text} is no limit for leakage; give a number between 0.5 and 1, such as {example}",
            offset_of(value.number),
        )
    if confidence is not None:
        raise GrammarError(f"leakage has no confidence; write {example}", confidence[1])


def _worth(kind: str, subject: str, value: _Quantity) -> float:
    """Return a quantity in the unit of its kind: seconds, bytes, or as it is."""
    number, unit = float(value.number), value.unit
    units = _UNITS.get(kind, {"%": 0.01})
    if unit is None:
        if kind == "latency":
            raise GrammarError(
                f"{value.number} of what? {subject} needs a unit ({', '.join(units)}); write {_EXAMPLES[kind]}",
                offset_of(value.number),
            )
        return number
    if unit not in units:
        takes = f"one of {', '.join(units)}, such as {_EXAMPLES[kind]}" if kind in _UNITS else "no unit but %"
        raise GrammarError(f"the unit `{unit}` does not fit: {subject} takes {takes}", offset_of(unit))
    return number * units[str(unit)]


def _limit_example(kind: str, metric: str) -> str:
    return f"`{metric} <= {_EXAMPLES.get(kind, '0.999')}`"


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=True)
