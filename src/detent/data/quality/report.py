"""What was found out about training and evaluation rows."""

from __future__ import annotations

from dataclasses import dataclass

from detent.records.expectation import FAIL, PASS, WARN

SHOWN = 5  # examples that a finding keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFinding:
    """One thing that was looked for, also when nothing was found."""

    kind: str  # duplicate_rows, near_duplicates, near_texts, shared_rows, shared_near_rows, shared_keys, ...
    outcome: str  # "pass" | "warn" | "fail"
    column: str  # the column it is about; "" when it is about whole rows
    rows: int  # rows that are concerned
    share: float  # of the rows that were looked at; of a telling column: how well it predicts the label
    examples: tuple[tuple[int, int], ...]  # row numbers from 0: (row, its twin); what they count is in the reason
    reason: str  # a sentence
    complete: bool = True  # False: some groups were too large to compare in full, so there may be more


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReport:
    """Everything that was found; a plain value that a step may return. `print(report)` shows it."""

    train_rows: int
    evaluation_rows: int
    outcome: str  # the worst of the findings
    findings: tuple[QualityFinding, ...]

    def __str__(self) -> str:
        head = f"data quality: {self.outcome} ({self.train_rows:,} training, {self.evaluation_rows:,} evaluation rows)"
        lines = [f"  {finding.outcome:4s}  {finding.reason}{_examples(finding)}" for finding in self.findings]
        return "\n".join([head, *lines])


def report_of(train_rows: int, evaluation_rows: int, findings: list[QualityFinding]) -> QualityReport:
    """Put findings together, the worst first."""
    rank = {FAIL: 0, WARN: 1, PASS: 2}
    ordered = tuple(sorted(findings, key=lambda finding: rank[finding.outcome]))
    return QualityReport(
        train_rows=train_rows,
        evaluation_rows=evaluation_rows,
        outcome=ordered[0].outcome if ordered else PASS,
        findings=ordered,
    )


def _examples(finding: QualityFinding) -> str:
    if finding.outcome == PASS or not finding.examples:
        return ""
    return "; for example rows " + ", ".join(f"{row} and {twin}" for row, twin in finding.examples)
