"""The language of the `gate` section, as a grammar.

roc_auc >= 0.65                            a floor
roc_auc >= champion - 0.005 at 95%         against the champion on the same rows, by the 95 % bound
gap(roc_auc, by=origin) <= 0.08            largest difference between slices
latency_p99 <= 20ms      size <= 50MB      the exported artefact
"""

from __future__ import annotations

from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from detent.project.durations import BYTES, SECONDS
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


class GrammarError(ValueError):
    """A gate expression that can't be read. `offset` counts characters from the start of the expression."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def parse_check(text: str, line: int) -> Check:
    """Turn one line of the gate section into a Check.

    Raises:
        GrammarError: with what was expected, and where.
    """
    try:
        parsed: Any = _parser().parse(text)
    except UnexpectedEOF as error:
        raise GrammarError(f"the check ends too early; expected {_words(set(error.expected))}", len(text)) from error
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise GrammarError(
                f"the check ends too early; expected {_words(set(error.expected))}", len(text)
            ) from error
        raise GrammarError(
            f"unexpected `{error.token}`; expected {_words(set(error.expected))}", error.pos_in_stream or 0
        ) from error
    except UnexpectedCharacters as error:
        expected = _words(error.allowed or set())
        raise GrammarError(
            f"unexpected `{text[error.pos_in_stream]}`; expected {expected}", error.pos_in_stream
        ) from error
    except UnexpectedInput as error:
        raise GrammarError(str(error), error.pos_in_stream or 0) from error
    return _Build(text, line).transform(parsed)


class _Build(Transformer[Token, Check]):
    """Parse tree -> Check."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__()
        self._text, self._line = " ".join(text.split()), line

    def quantity(self, parts: list[Any]) -> float:
        number, unit = float(parts[0]), parts[1]
        if unit is None:
            return number
        return number * {**SECONDS, **BYTES, "%": 0.01}[str(unit)]

    def confidence(self, parts: list[Any]) -> float:
        percent = float(parts[0])
        if not 50.0 <= percent < 100.0:
            raise GrammarError(f"{percent:g}% is no confidence; give at least 50% and less than 100%", 0)
        return percent / 100.0

    def margin(self, parts: list[Any]) -> float:
        return float(parts[1]) if parts[0] == "+" else -float(parts[1])

    def threshold(self, parts: list[Any]) -> Check:
        metric, op, value, confidence = parts
        kind = "latency" if metric.startswith("latency") else "size" if metric == "size" else "threshold"
        return self._check(kind, metric, op, value, confidence)

    def versus(self, parts: list[Any]) -> Check:
        metric, op, margin, confidence = parts
        return self._check("versus", metric, op, margin or 0.0, confidence)

    def gap(self, parts: list[Any]) -> Check:
        metric, column, op, value, confidence = parts
        return self._check("gap", metric, op, value, confidence, by=str(column))

    def _check(
        self, kind: str, metric: str, op: str, threshold: float, confidence: float | None, by: str | None = None
    ) -> Check:
        return Check(
            text=self._text,
            kind=kind,
            metric=str(metric),
            op=str(op),
            threshold=threshold,
            confidence=confidence,
            by=by,
            line=self._line,
        )


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=True)


def _words(expected: set[str]) -> str:
    names = sorted({_WORDS.get(name, name.lower()) for name in expected})
    return " or ".join(names) if names else "something else"
