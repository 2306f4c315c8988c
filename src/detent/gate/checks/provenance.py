"""Always on: the candidate is what it says it is."""

from __future__ import annotations

from typing import ClassVar

from detent.gate.evidence import Evidence
from detent.gate.rule import concluded
from detent.records.check import INCONCLUSIVE, PASS, REJECT, Check, CheckResult


class Provenance:
    """What was declared about rows, labels and features agrees with the project's data and feature function."""

    summary: ClassVar[str] = "Rows, labels, times and features must be those of the project's own data."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Reject on the first fault; inconclusive when nobody compared."""
        if evidence.provenance is None or not evidence.rows:
            why = (
                "nobody compared the candidate's rows with the data"
                if evidence.rows
                else "there are no evaluation rows"
            )
            return concluded(check, INCONCLUSIVE, why, rows=evidence.rows)
        if evidence.provenance:
            return concluded(check, REJECT, evidence.provenance[0], rows=evidence.rows)
        fitted = (
            "the model was fitted elsewhere, on rows that nobody here knows"
            if evidence.elsewhere
            else "the model was fitted on the rows that were declared"
        )
        told = f"evaluation rows, labels and features are those of the project's data, and {fitted}"
        return concluded(check, PASS, told, rows=evidence.rows)
