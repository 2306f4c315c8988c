"""From a measured interval and a declared rule to a result with a sentence."""

from __future__ import annotations

import operator
from math import ceil, floor, log10, sqrt

import numpy as np

from detent.gate.wording import count, limit, percent, quantity
from detent.records.check import INCONCLUSIVE, PASS, REJECT, Check, CheckResult
from detent.statistics.detectable import rows_for
from detent.statistics.intervals import Interval

_MOST_ROWS = 10_000_000
_CELLS = 6_000_000  # rows times resamples of one check: 500 resamples of 12,000 rows
_HOLDS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
_WORDS = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}


def judged(
    check: Check, interval: Interval, *, rows: int, subject: str, measured: bool = False, note: str = ""
) -> CheckResult:
    """Apply a check's rule to an interval.

    The bound on the bad side decides: one that fails is a rejection when the estimate fails as well, and else
    inconclusive, with the number of rows that would settle it. With `by estimate` the estimate alone decides.

    Args:
        check: the rule.
        interval: what was measured; its bounds are at the check's confidence.
        rows: how many rows it comes from.
        subject: what was measured, so that "<subject> 0.71" reads well: "roc_auc is".
        measured: whether the value depends on this machine.
        note: more to say, after a semicolon.
    """
    decision = _decide(check, interval)
    sentence = _sentence(check, interval, decision, rows, subject)
    needed = rows_needed(rows, interval, check.threshold, check.confidence or 0.95) or 0
    return CheckResult(
        check=check.text,
        kind=check.kind,
        decision=decision,
        value=interval.value,
        low=interval.low,
        high=interval.high,
        threshold=check.threshold,
        rows=rows,
        reason=f"{sentence}; {note}" if note else sentence,
        measured=measured,
        needed=needed if decision == INCONCLUSIVE and 0 < needed <= _MOST_ROWS else None,
    )


def concluded(
    check: Check, decision: str, reason: str, *, rows: int, value: float | None = None, threshold: float | None = None
) -> CheckResult:
    """Return a result that no interval speaks for; the threshold is the check's own unless another one applied."""
    return CheckResult(
        check=check.text,
        kind=check.kind,
        decision=decision,
        value=value,
        low=None,
        high=None,
        threshold=check.threshold if threshold is None else threshold,
        rows=rows,
        reason=reason,
        measured=False,
    )


def holds(check: Check, value: float) -> bool:
    """Return whether a value satisfies the check's comparison; NaN never does."""
    return bool(_HOLDS[check.op](value, check.threshold))


def rule_text(check: Check) -> str:
    """Return the comparison in words: `at most 20 ms`."""
    return f"{_WORDS[check.op]} {limit(check.kind, check.threshold)}"


def one_sided(check: Check) -> float:
    """Return the confidence of each bound: as asked, or that of the two halves of a 95 % interval."""
    return 0.975 if check.confidence is None else check.confidence


def two_sided(check: Check) -> float:
    """Return the confidence of the interval whose bounds each have `one_sided` confidence."""
    return max(0.0, 2.0 * one_sided(check) - 1.0)


def repeats(rows: int) -> int:
    """Return how many resamples to draw: 1,000, fewer where rows are so many that it would be slow, at least 300."""
    return int(np.clip(_CELLS // max(rows, 1), 300, 1000))


def rows_needed(rows: int, interval: Interval, threshold: float, confidence: float) -> int | None:
    """Return how many rows would let the bound clear the threshold in 4 of 5 evaluations; None: not known.

    Normal approximation, rounded up to two digits; None also when no number of rows could settle it.
    """
    if interval.sd <= 0.0:
        return None
    distance = max(abs(interval.value - threshold), 1e-12)
    exact = rows_for(interval.sd * sqrt(max(rows, 1)), distance, 1.0 - confidence)
    digit = 10 ** max(0, floor(log10(max(exact, 1.0))) - 1)
    return int(ceil(exact / digit) * digit)


def _decide(check: Check, interval: Interval) -> str:
    passes = holds(check, interval.value)
    if check.confidence is None:
        return PASS if passes else REJECT
    if holds(check, interval.low if check.op.startswith(">") else interval.high):
        return PASS
    return INCONCLUSIVE if passes else REJECT


def _sentence(check: Check, interval: Interval, decision: str, rows: int, subject: str) -> str:
    value, low, high = (quantity(check.kind, part) for part in (interval.value, interval.low, interval.high))
    rule = rule_text(check)
    if check.confidence is None:
        if decision == PASS:
            return f"{subject} {value}, {rule} as asked"
        return f"{subject} {value} (95 % interval {low} to {high}), but {rule} is asked"
    side, bound = ("lower", low) if check.op.startswith(">") else ("upper", high)
    sure = f"{side} {percent(check.confidence)} bound"
    if decision == PASS:
        return f"{subject} {value} and its {sure} is {bound}, {rule} as asked"
    if decision == REJECT:
        return f"{subject} {value} ({sure} {bound}), but {rule} is asked"
    return f"{subject} {value}, {rule} as asked, but its {sure} is {bound}{_advice(check, interval, rows)}"


def _advice(check: Check, interval: Interval, rows: int) -> str:
    needed = rows_needed(rows, interval, check.threshold, check.confidence or 0.95)
    if needed is None:
        return ", so it is not certain"
    if needed > _MOST_ROWS:
        return f", and it is too close to {limit(check.kind, check.threshold)} for any number of rows to settle it"
    return f"; about {count(max(needed, rows + 1))} (now {rows:,}) would settle it if the estimate stays"
