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
latency_p99 <= 20ms      size <= 50MB      memory <= 500MB      the exported artefact
latency_p99 <= champion * 1.2              beside the champion, in turns; so `size` and `memory`
cost <= 0.10                               money per 1,000 predictions
robustness(roc_auc, missing=humid) <= 0.05 what an input that fails may cost: missing, shifted, scaled, shuffled, stale
monotone(distance, up) <= 1%               share of rows that break it
invariant(sex, values=[F, M]) <= 1%        share of rows that answer differently
overlap(near) <= 1%      overlap(by=customer) <= 20%      overlap(known_later) <= 0%      training and evaluation rows
permuted(roc_auc) <= 0.55                  a model trained on permuted labels
check(checks.py:fair_enough)               a function of the project decides
metric(metrics.py:profit) >= 1000          one measures: it stands wherever a metric does
leakage <= 0.999                           the limit of the check of that kind, which is always on

Grammar says what a line looks like; `grammar_forms` and `grammar_declared` refuse what reads well and makes no sense,
such as a size in ms.
"""

from __future__ import annotations

from functools import cache

from lark import Lark

from detent.project.grammar_declared import Build
from detent.project.lines import read_line
from detent.records.check import Check

DEFAULT_ALPHA = 0.05  # chance of a wrong pass of a line that does not say `at NN%`

_GRAMMAR = r"""
?start: gap | worst | each | fairness | better | non_inferior | versus | threshold
      | robustness | monotone | invariant | overlap | overlap_by | permuted | own_check
gap: "gap" "(" metric "," "by" "=" NAME ")" OP quantity [sure]
worst: "worst" "(" metric "," "by" "=" NAME ")" OP quantity [sure]
each: "each" "(" metric "," "by" "=" NAME ")" OP (quantity | champion) [sure]
fairness: FAIR "(" "by" "=" NAME ["," "cut" "=" quantity] ")" OP quantity [sure]
better: metric "better" "by" quantity [sure]
non_inferior: metric "non_inferior" "by" quantity [sure]
versus: metric OP champion [sure]
threshold: metric OP quantity [sure]
robustness: "robustness" "(" metric "," NAME "=" NAME ")" OP quantity [sure]
monotone: "monotone" "(" NAME "," NAME ")" OP quantity [sure]
invariant: "invariant" "(" NAME ["," "values" "=" values] ["," "within" "=" quantity] ")" OP quantity [sure]
values: "[" LEVEL ("," LEVEL)+ "]"
overlap: _OVERLAP "(" NAME ")" OP quantity [sure]
overlap_by: _OVERLAP "(" "by" "=" NAME ")" OP quantity [sure]
permuted: "permuted" "(" metric ")" OP quantity [sure]
own_check: "check" "(" CODE ")" [sure]
?metric: NAME | "metric" "(" CODE ")" -> own_metric
champion: "champion" [SIGN quantity]
quantity: NUMBER [UNIT]
sure: "at" NUMBER "%" -> confidence
    | "by" "estimate" -> estimate
OP: ">=" | "<=" | ">" | "<"
SIGN: "+" | "-" | "*"
FAIR.2: /(parity_ratio|parity|opportunity|odds)(?=\s*\()/
_OVERLAP.2: /overlap(?=\s*\()/
CODE: /[\w.\/-]+\.py:[A-Za-z_]\w*/
LEVEL: /"[^"]*"|'[^']*'|[^\s,\[\]"'][^,\[\]"']*/
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
    "ROBUSTNESS": "robustness(",
    "MONOTONE": "monotone(",
    "INVARIANT": "invariant(",
    "_OVERLAP": "overlap(",
    "PERMUTED": "permuted(",
    "CHECK": "check(",
    "METRIC": "metric(",
    "CODE": "file.py:name",
    "LEVEL": "a value",
    "VALUES": "values",
    "WITHIN": "within",
    "LSQB": "[",
    "RSQB": "]",
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
