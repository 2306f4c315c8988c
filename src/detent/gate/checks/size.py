"""`size <= 50MB`, `size <= champion * 2`: the bytes of the exported bundle."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from detent.gate.beside import compared, uncompared
from detent.gate.evidence import Evidence
from detent.gate.rule import concluded, holds, rule_text
from detent.gate.wording import quantity
from detent.records.check import INCONCLUSIVE, PASS, REJECT, Check, CheckResult
from detent.statistics.intervals import Interval


class Size:
    """What a serving process must fetch and keep."""

    summary: ClassVar[str] = "The exported bundle may not be larger than so many bytes."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Compare the bundle's bytes with the threshold."""
        if evidence.bundle_bytes is None:
            return concluded(check, INCONCLUSIVE, "the size of the bundle was not measured", rows=0)
        size = float(evidence.bundle_bytes)
        if check.against:
            theirs = None if evidence.beside is None else evidence.beside.champion_bytes
            if theirs is None:
                return replace(uncompared(check, evidence, "the champion's size is not known"), measured=False)
            exact = Interval(value=size, low=size, high=size)
            return replace(compared(check, exact, theirs, rows=0, subject="the bundle's size is"), measured=False)
        passes = holds(check, size)
        start = f"the bundle has {quantity('size', size)}"
        reason = f"{start}, {rule_text(check)} as asked" if passes else f"{start}, but {rule_text(check)} is asked"
        return concluded(check, PASS if passes else REJECT, reason, rows=0, value=size)
