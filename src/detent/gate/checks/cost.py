"""`cost <= 0.10`, `cost <= champion * 1.2`: money for 1,000 predictions, at the prices of the project.

A prediction costs the median time of a single row on one core of this machine, and what a request costs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from detent.gate.beside import compared, uncompared
from detent.gate.checks.latency import MIN_SAMPLES
from detent.gate.declared import SideBySide
from detent.gate.evidence import Evidence
from detent.gate.rule import concluded, judged, two_sided
from detent.gate.wording import count
from detent.records.check import INCONCLUSIVE, Check, CheckResult
from detent.statistics.intervals import Interval, quantile_interval
from detent.statistics.turns import quantile_ratio

PER = 1_000  # predictions


class Cost:
    """What 1,000 predictions cost."""

    summary: ClassVar[str] = "1,000 predictions may not cost more than so much, at the project's prices."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Compare the price of the median time with the limit, or with the champion's."""
        beside, samples = evidence.beside, evidence.latency_seconds
        if beside is None or beside.second is None or samples is None or len(samples) < MIN_SAMPLES:
            return replace(concluded(check, INCONCLUSIVE, "the cost was not measured", rows=0), measured=True)
        subject = f"1,000 predictions cost {beside.currency}"
        if not check.against:
            taken = quantile_interval(samples, 0.5, confidence=two_sided(check))
            return judged(check, _money(taken, beside), rows=len(samples), subject=subject, measured=True)
        turns = beside.turns
        taken = 0 if turns is None else len(turns)
        if turns is None or taken < MIN_SAMPLES:
            return uncompared(check, evidence, f"the two took turns {count(taken, 'time')}")
        ratio = quantile_ratio(turns, 0.5, confidence=two_sided(check), seed=evidence.seed)
        champion = float(np.quantile(turns[:, 1], 0.5))
        ours = Interval(value=ratio.value * champion, low=ratio.low * champion, high=ratio.high * champion)
        theirs = _price(champion, beside)
        return compared(check, _money(ours, beside), theirs, rows=taken, subject=subject)


def _money(seconds: Interval, beside: SideBySide) -> Interval:
    value, low, high = (_price(part, beside) for part in (seconds.value, seconds.low, seconds.high))
    return Interval(value=value, low=low, high=high)


def _price(seconds: float, beside: SideBySide) -> float:
    return PER * (seconds * (beside.second or 0.0) + beside.request)
