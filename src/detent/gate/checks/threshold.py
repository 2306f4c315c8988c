"""`roc_auc >= 0.65`: a metric against a fixed number."""

from __future__ import annotations

from typing import ClassVar

from detent.gate.evidence import Evidence
from detent.gate.measure import measured
from detent.gate.named import metric_of
from detent.gate.requirements import require_rows
from detent.gate.rule import judged
from detent.records.check import Check, CheckResult


class Threshold:
    """The candidate's own quality, with its interval."""

    summary: ClassVar[str] = "A metric on the evaluation rows must reach a number by its bound; `by estimate` opts out."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Compare the metric's one-sided bound, or the metric, with the threshold."""
        metric = metric_of(check, evidence)
        require_rows(evidence.y, evidence.task)
        interval = measured(metric, check, evidence)
        return judged(check, interval, rows=evidence.rows, subject=f"{check.metric} is")
