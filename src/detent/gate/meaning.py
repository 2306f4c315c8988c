"""What a line of the gate section will do, in words, and what evidence it takes."""

from __future__ import annotations

from detent import plugins
from detent.gate.rule import rule_text
from detent.gate.spend import spend
from detent.gate.wording import percent
from detent.records.check import BETTER, Check

_LOOKS = {
    "threshold": "the scores of all evaluation rows",
    "versus": "the scores of all evaluation rows, by the candidate and by the champion",
    "gap": "the scores of all evaluation rows",
    "worst": "the scores of all evaluation rows",
    "fairness": "the scores of all evaluation rows",
    "latency": "about 400 predictions of single rows on this machine",
    "size": "a look at the files of the bundle",
    "leakage": "the power of each input alone, on the evaluation rows",
    "touch": "training and evaluation rows beside each other",
    "permuted": "another training, on permuted labels",
    "robustness": "the evaluation rows scored again with the input spoiled",
    "monotone": "evaluation rows scored again with the input moved",
    "invariant": "evaluation rows scored again with the input changed",
    "memory": "a fresh process that loads the model and answers",
    "cost": "the time and the size that were measured, at the project's prices",
    "custom": "a call of your function with the evidence",
}
_FAIR = {
    "parity": "The share answered 1, compared between groups",
    "opportunity": "The share answered 1 among label 1, compared between groups",
    "odds": "The share answered 1 among rows of either label, compared between groups",
    "parity_ratio": "The smallest share answered 1 over the largest, by group,",
}


def meaning(check: Check) -> str:
    """Return what a line asks, in a sentence."""
    return f"{_asks(check)}{_sure(check)}."


def takes(check: Check) -> str:
    """Return what evidence a line takes."""
    if check.kind == "each":
        return _LOOKS["versus" if check.against else "threshold"]
    return _LOOKS.get(check.kind, "what its plug-in measures")


def _asks(check: Check) -> str:
    if check.kind == "versus":
        return f"{check.metric} {_beside(check)}, on the same rows"
    if check.kind == "threshold":
        return f"{check.metric} must be {rule_text(check)}"
    if check.kind in ("latency", "size", "memory", "cost") and not check.against:
        unit = " per 1,000 predictions" if check.kind == "cost" else ""
        return f"{check.metric} must be {rule_text(check)}{unit}"
    if check.kind == "gap":
        return f"{check.metric} of the best and of the worst `{check.by}` may differ by {rule_text(check)}"
    if check.kind in ("each", "worst"):
        rest = ", a small one included" if check.kind == "each" else "; those with too few rows are left out"
        asked = _beside(check) if check.against else f"must be {rule_text(check)}"
        return f"{check.metric} {asked}, for every `{check.by}`{rest}"
    if check.kind == "fairness":
        return f"{_FAIR.get(check.metric, check.metric)} of `{check.by}`, must be {rule_text(check)}"
    summary = str(getattr(plugins.load("check", check.kind), "summary", check.kind)).rstrip(".")
    beside = f" beside the champion, at most {1.0 + check.threshold:g} times its value" if check.against else ""
    return f"{summary}{beside}" if beside or check.op == BETTER else f"{summary}: {rule_text(check)}"


def _beside(check: Check) -> str:
    """Return a comparison with the champion in words."""
    if check.op == BETTER:
        share = percent(check.threshold)
        if check.slack:
            return f"must surely be not worse than the champion's by more than {share} of its value"
        return f"must surely be better than the champion's by {share} of its value"
    words = "at least" if check.op.startswith(">") else "at most"
    if check.relative:
        return f"must be {words} {1.0 + check.threshold:g} times the champion's"
    if not check.threshold:
        return f"must be {words} the champion's"
    side = "less" if check.threshold < 0 else "plus"
    return f"must be {words} the champion's {side} {abs(check.threshold):g}"


def _sure(check: Check) -> str:
    """Return what decides, where rows do."""
    if check.kind in ("latency", "size", "memory", "cost", "custom", "leakage", "permuted", "touch"):
        return ""
    if check.confidence is None:
        return "; the value alone decides, however uncertain"
    first = 1.0 - spend(1.0 - check.confidence, 1)
    return f"; the bound decides: {percent(check.confidence)}, {percent(first)} for the first candidate on its rows"
