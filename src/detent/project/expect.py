"""The language of a dataset's `expect` list, as a grammar.

null_rate(delay) <= 5%                     a statistic of a column against a limit, or `in 0..100`
mean(temp) within 10% vs last              ... against the last snapshot that passed; `rows >= 0.5 * last`
range(distance) in 0..5000 for 99%         every value, or at least so many of them
values(origin) in [EWR, JFK, LGA]          `match(code, "^N")`   `length(code) in 2..3`   `filled(carrier)`
unique(carrier, flight, day)               `has(carrier)`   `increasing(at)`   `empty(note)`
psi(distance) <= 0.2 vs last               how far the distribution moved
freshness(departed_at) <= 2d               age of the newest value
exists(dest in airports.faa)               the value stands in a column of another dataset
check("arr_time > dep_time")               an expression of Polars SQL over one row

Each may end with `-> warn`. The grammar says what a line looks like; `expect_forms` refuses what reads well and makes
no sense.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from lark import Lark, Token, Transformer

from detent.errors import did_you_mean
from detent.project.expect_forms import (
    FORMS,
    Argument,
    Predicate,
    Quantity,
    check_predicate,
    read_arguments,
    read_item,
    read_predicate,
    read_severity,
    read_share,
)
from detent.project.lines import GrammarError, offset_of, read_line
from detent.records.expectation import Expectation

_GRAMMAR = r"""
start: subject [predicate] [share] [severity]
subject: NAME ["(" argument ("," argument)* ")"]
?argument: NAME "in" NAME "." NAME -> reference
    | NAME -> column
    | STRING -> text
    | NUMBER -> number
predicate: OP quantity [VERSUS] -> limit
    | OP [NUMBER "*"] LAST -> scaled
    | "within" NUMBER "%" VERSUS -> near
    | "in" span -> inside
    | "in" list -> among
    | "not" "in" list -> outside
span: bound ".." [bound] -> from_
    | ".." bound -> upto
?bound: quantity | MOMENT -> moment
list: "[" [item ("," item)*] "]"
?item: STRING -> text | NUMBER -> number | NAME -> word
quantity: NUMBER [UNIT]
share: "for" NUMBER "%"
severity: "->" NAME
VERSUS: /vs\s+last(?![A-Za-z0-9_])/
LAST: "last"
OP: ">=" | "<=" | ">" | "<"
UNIT: /(ms|s|m|h|d|w|%)(?![A-Za-z0-9_])/
MOMENT.2: /\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?/
NAME: /[A-Za-z_][A-Za-z0-9_]*/
NUMBER: /[+-]?\d+(\.\d+)?([eE][+-]?\d+)?/
STRING: /"[^"]*"|'[^']*'/
%ignore /\s+/
"""

_WORDS = {
    "OP": "a comparison (>=, <=, > or <)", "NAME": "a name", "NUMBER": "a number", "STRING": "a text in quotes",
    "UNIT": "a unit (%, h, d ...)", "MOMENT": "a date", "VERSUS": "vs last", "LAST": "last", "LPAR": "(", "RPAR": ")",
    "LSQB": "[", "RSQB": "]", "COMMA": ",", "STAR": "*", "DOT": ".", "PERCENT": "%", "IN": "in", "NOT": "not in",
    "WITHIN": "within", "FOR": "for", "__ANON_0": "..", "__ANON_1": "->", "$END": "the end",
}  # fmt: skip


def parse_expectation(text: str, line: int) -> Expectation:
    """Turn one line of an `expect` list into an Expectation.

    Raises:
        GrammarError: with what was expected, and where.
    """
    return read_line(text, _parser(), _Build(text, line), words=_WORDS, noun="line")


class _Build(Transformer[Token, Expectation]):
    """Parse tree -> Expectation."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__()
        self._text, self._line = " ".join(text.split()), line

    def column(self, parts: list[Token]) -> Argument:
        return Argument("column", parts[0])

    def text(self, parts: list[Token]) -> Argument:
        return Argument("text", parts[0])

    def number(self, parts: list[Token]) -> Argument:
        return Argument("number", parts[0])

    def word(self, parts: list[Token]) -> Argument:
        return Argument("word", parts[0])

    def reference(self, parts: list[Token]) -> Argument:
        return Argument("reference", parts[0], f"{parts[1]}.{parts[2]}")

    def quantity(self, parts: list[Any]) -> Quantity:
        return Quantity(*parts)

    def moment(self, parts: list[Token]) -> Token:
        return parts[0]

    def from_(self, parts: list[Any]) -> tuple[Any, Any]:
        return parts[0], parts[1]

    def upto(self, parts: list[Any]) -> tuple[Any, Any]:
        return None, parts[0]

    def list(self, parts: list[Argument | None]) -> tuple[float | str | bool, ...]:
        return tuple(read_item(part) for part in parts if part is not None)

    def limit(self, parts: list[Any]) -> Predicate:
        return Predicate("limit", parts[0], op=str(parts[0]), quantity=parts[1], last=parts[2] is not None)

    def scaled(self, parts: list[Any]) -> Predicate:
        factor = 1.0 if parts[1] is None else float(parts[1])
        return Predicate("scaled", parts[0], op=str(parts[0]), number=factor, last=True)

    def near(self, parts: list[Any]) -> Predicate:
        return Predicate("near", parts[0], op="within", number=float(parts[0]) / 100.0, last=True)

    def inside(self, parts: list[Any]) -> Predicate:
        first = next(end for end in parts[0] if end is not None)
        return Predicate("inside", first.number if isinstance(first, Quantity) else first, op="in", span=parts[0])

    def among(self, parts: list[Any]) -> Predicate:
        return Predicate("among", None, op="in", values=parts[0])

    def outside(self, parts: list[Any]) -> Predicate:
        return Predicate("outside", None, op="not in", values=parts[0])

    def subject(self, parts: list[Any]) -> tuple[Token, list[Argument]]:
        return parts[0], [part for part in parts[1:] if part is not None]

    def share(self, parts: list[Token]) -> Token:
        return parts[0]

    def severity(self, parts: list[Token]) -> Token:
        return parts[0]

    def start(self, parts: list[Any]) -> Expectation:
        (name, arguments), predicate, share, severity = parts
        if name not in FORMS:
            raise GrammarError(f"`{name}` is no expectation; {did_you_mean(name, tuple(FORMS))}", offset_of(name))
        form = FORMS[name]
        columns, argument, other = read_arguments(name, form, arguments)
        check_predicate(name, form, predicate)
        fields = {} if predicate is None else read_predicate(str(name), predicate)
        return Expectation(
            text=self._text,
            name=str(name),
            columns=columns,
            argument=argument,
            other=other,
            share=read_share(name, form, share),
            severity=read_severity(severity),
            line=self._line,
            **fields,
        )


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=True)
