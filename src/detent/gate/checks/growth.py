"""Always on for a model that is a program (pickle, joblib, pyfunc): its process does not grow with every call."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from detent.gate.evidence import Evidence
from detent.gate.rule import concluded
from detent.gate.wording import quantity
from detent.records.check import INCONCLUSIVE, PASS, REJECT, Check, CheckResult

LEAST = 256.0  # bytes of a call; below, pages of 4 KiB that come and go can't be told from a leak
_AS_MUCH = 1.5  # times what the champion's process keeps: measured beside each other they differ by less


class Growth:
    """What a warm process keeps of every further call: nothing, unless the program leaks."""

    summary: ClassVar[str] = "A process that serves a program may not grow with every call."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Reject when every process of ours keeps more than the limit and more than the champion's does."""
        growth = evidence.growth
        if growth is None or not growth.ours:
            why = growth.untold if growth is not None and growth.untold else "nobody measured it"
            told = f"whether its process grows with every call is not known: {why}"
            return replace(concluded(check, INCONCLUSIVE, told, rows=0), measured=True)
        kept, theirs = min(growth.ours), max(growth.theirs, default=0.0)
        limit = max(check.threshold, _AS_MUCH * theirs)
        told = f"its process keeps {quantity('growth', kept)} of every call, measured over {growth.calls:,} calls"
        if kept > limit:
            beside = f", the champion's {quantity('growth', theirs)}" if growth.theirs else ""
            decision, reason = REJECT, f"{told}{beside}: whatever memory it is given, it will fill it"
        elif kept > check.threshold:
            decision, reason = PASS, f"{told}, as the champion's does ({quantity('growth', theirs)})"
        else:
            decision, reason = PASS, f"its process does not grow with every call, measured over {growth.calls:,} calls"
        return replace(concluded(check, decision, reason, rows=0, value=kept), measured=True)
