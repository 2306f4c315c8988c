"""The language of the `gate` section, as a grammar.

roc_auc >= 0.65                            a floor, by the lower 95 % bound
roc_auc >= 0.65 at 99%                     by another bound; `by estimate`: by the measured value alone
roc_auc >= champion - 0.005                against the champion on the same rows, by the bound of the difference
rmse <= champion * 1.02                    the same, by a share of the champion's value
roc_auc better by 2%                       surely better than the champion by so much of its value
roc_auc non_inferior by 1%                 surely not worse than the champion by so much of its value
gap(roc_auc, by=origin) <= 0.08            largest difference between slices
worst(roc_auc, by=origin) >= 0.60          every slice that is large enough
each(roc_auc, by=origin) >= champion - 0.03        every slice
parity(by=sex) <= 0.1                      fairness: parity, opportunity, odds; parity_ratio(by=sex, cut=0.3) >= 0.8
latency_p99 <= 20ms      size <= 50MB      the exported artefact
leakage <= 0.999                           the limit of the check of that kind, which is always on

Grammar says what a line looks like; `grammar_forms` refuses what reads well and makes no sense, such as a size in ms.
"""

from __future__ import annotations

from functools import cache

from lark import Lark

from detent.project.grammar_forms import Build
from detent.project.lines import read_line
from detent.records.check import Check

DEFAULT_ALPHA = 0.05  # chance of a wrong pass of a line that does not say `at NN%`

_GRAMMAR = r"""
?start: gap | worst | each | fairness | better | non_inferior | versus | threshold
gap: "gap" "(" NAME "," "by" "=" NAME ")" OP quantity [sure]
worst: "worst" "(" NAME "," "by" "=" NAME ")" OP quantity [sure]
each: "each" "(" NAME "," "by" "=" NAME ")" OP (quantity | champion) [sure]
fairness: FAIR "(" "by" "=" NAME ["," "cut" "=" quantity] ")" OP quantity [sure]
better: NAME "better" "by" quantity [sure]
non_inferior: NAME "non_inferior" "by" quantity [sure]
versus: NAME OP champion [sure]
threshold: NAME OP quantity [sure]
champion: "champion" [SIGN quantity]
quantity: NUMBER [UNIT]
sure: "at" NUMBER "%" -> confidence
    | "by" "estimate" -> estimate
OP: ">=" | "<=" | ">" | "<"
SIGN: "+" | "-" | "*"
FAIR.2: /(parity_ratio|parity|opportunity|odds)(?=\s*\()/
UNIT: /(us|ms|s|B|kB|KB|MB|GB|KiB|MiB|GiB|%)(?![A-Za-z0-9])/
NAME: /[A-Za-z_][A-Za-z0-9_]*(@\d+(\.\d+)?)?/
NUMBER: /[+-]?\d+(\.\d+)?([eE][+-]?\d+)?/
%ignore /\s+/
"""

_WORDS = {
    "OP": "a comparison (>=, <=, > or <)",
    "NAME": "a name",
    "NUMBER": "a number",
    "UNIT": "a unit (ms, s, MB ...)",
    "SIGN": "+, - or *",
    "CHAMPION": "champion",
    "GAP": "gap(",
    "WORST": "worst(",
    "EACH": "each(",
    "FAIR": "parity(",
    "BETTER": "better by",
    "NON_INFERIOR": "non_inferior by",
    "CUT": "cut",
    "ESTIMATE": "estimate",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": ",",
    "BY": "by",
    "EQUAL": "=",
    "AT": "at",
    "PERCENT": "%",
    "$END": "the end",
}


def parse_check(text: str, line: int, *, alpha: float = DEFAULT_ALPHA) -> Check:
    """Turn one line of the gate section into a Check.

    Without `at NN%` or `by estimate` a line is held to the bound at 1 - `alpha`, if rows decide it; what is measured on
    a machine is held to the estimate.

    Raises:
        GrammarError: with what was expected, and where.
    """
    return read_line(text, _parser(), Build(text, line, alpha), words=_WORDS, noun="check")


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=True)
