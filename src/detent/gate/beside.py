"""What candidate and champion take on this machine, compared."""

from __future__ import annotations

from dataclasses import replace

from detent.gate.evidence import Evidence
from detent.gate.rule import concluded, holds, judged
from detent.gate.wording import limit, percent, quantity
from detent.records.check import INCONCLUSIVE, NO_CHAMPION, PASS, REJECT, Check, CheckResult
from detent.statistics.intervals import Interval


def uncompared(check: Check, evidence: Evidence, what: str) -> CheckResult:
    """Return what is said where there are no two to compare: no champion, or nobody measured."""
    if evidence.champion is None:
        passed = concluded(check, PASS, "there is no champion to compare with", rows=0)
        return replace(passed, threshold=None, measured=True, stamp=NO_CHAMPION)
    return replace(concluded(check, INCONCLUSIVE, f"{what}, so nothing is compared", rows=0), measured=True)


def compared(check: Check, interval: Interval, theirs: float, *, rows: int, subject: str) -> CheckResult:
    """Hold a value, with an interval in its unit, to a share of the champion's.

    Without `at` or `by estimate` only what surely breaks the rule is refused: a machine is busy, and a candidate that
    is as good as the champion must not be refused for that.
    """
    line = replace(check, threshold=(1.0 + check.threshold) * theirs)
    told = f"the champion's is {quantity(check.kind, theirs)}; {subject}"
    if not check.slack:
        return judged(line, interval, rows=rows, subject=told, measured=True)
    value, low, asked = (
        quantity(check.kind, interval.value), quantity(check.kind, interval.low), limit(check.kind, line.threshold)
    )  # fmt: skip
    sure = "" if check.confidence is None else f" ({percent(check.confidence)})"
    if not holds(line, interval.low):
        decision, reason = REJECT, f"{told} {value} and surely more than {low}{sure}, but at most {asked} is asked"
    elif holds(line, interval.value):
        decision, reason = PASS, f"{told} {value}, at most {asked} as asked"
    else:
        decision, reason = PASS, f"{told} {value}, more than {asked}, but not surely so: at least {low}{sure}"
    result = concluded(line, decision, reason, rows=rows, value=interval.value)
    return replace(result, low=interval.low, high=interval.high, measured=True)
