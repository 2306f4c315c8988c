"""`memory <= 500MB`, `memory <= champion * 1.5`: what a process that serves the model keeps resident at the most."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import ClassVar

from detent.gate.beside import compared, uncompared
from detent.gate.evidence import Evidence
from detent.gate.rule import concluded, holds, rule_text
from detent.gate.wording import quantity
from detent.records.check import INCONCLUSIVE, PASS, REJECT, Check, CheckResult
from detent.statistics.intervals import Interval


class Memory:
    """Peak resident bytes of fresh processes that load the exported artefact and answer; the median of them."""

    summary: ClassVar[str] = "A fresh process that serves the model may not keep more than so many bytes."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Compare the median with the limit; beside the champion, the least of ours with the most of theirs."""
        beside = evidence.beside
        ours, theirs = ((), ()) if beside is None else (beside.memory, beside.champion_memory)
        if beside is None or not ours:
            why = beside.untold if beside is not None and beside.untold else "nobody measured it"
            return replace(concluded(check, INCONCLUSIVE, f"the memory is not known: {why}", rows=0), measured=True)
        middle = float(median(ours))
        subject = "the memory of a fresh process is"
        if not check.against:
            decision = PASS if holds(check, middle) else REJECT
            asked = f"{rule_text(check)} as asked" if decision == PASS else f"but {rule_text(check)} is asked"
            reason = f"{subject} {quantity('memory', middle)}, the median of {len(ours)}, {asked}"
            return replace(concluded(check, decision, reason, rows=0, value=middle), measured=True)
        if not theirs:
            return uncompared(check, evidence, "the champion's memory was not measured")
        champion = float(median(theirs))
        low, high = min(ours) * champion / max(theirs), max(ours) * champion / min(theirs)
        return compared(check, Interval(value=middle, low=low, high=high), champion, rows=0, subject=subject)
