"""`roc_auc >= 0.65`: a metric against a fixed number."""

from __future__ import annotations

from typing import ClassVar

from detent.gate.evidence import Evidence
from detent.gate.requirements import metric_of, require_rows
from detent.gate.rule import judged, repeats, two_sided
from detent.records.check import Check, CheckResult
from detent.statistics.intervals import bootstrap


class Threshold:
    """The candidate's own quality, with its bootstrap interval."""

    summary: ClassVar[str] = "A metric on the evaluation rows must reach a number; `at 95%` asks it of the bound."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Compare the metric, or its one-sided bound, with the threshold."""
        metric = metric_of(check, evidence)
        require_rows(evidence.y, evidence.task)
        interval = bootstrap(
            metric, evidence.y, evidence.score,
            confidence=two_sided(check), seed=evidence.seed, repeats=repeats(evidence.rows),
        )  # fmt: skip
        return judged(check, interval, rows=evidence.rows, subject=f"{check.metric} is")
