"""`roc_auc >= champion - 0.005 at 95%`: the candidate against the champion on the same rows."""

from __future__ import annotations

from typing import ClassVar

from detent.errors import ProjectError
from detent.gate.evidence import Evidence
from detent.gate.requirements import metric_of, place, require_rows
from detent.gate.rule import concluded, judged, one_sided, repeats
from detent.gate.wording import number
from detent.records.check import PASS, Check, CheckResult
from detent.statistics.metrics import Metric
from detent.statistics.paired import paired_bootstrap


class Versus:
    """The difference candidate - champion of a metric, by the paired bootstrap."""

    summary: ClassVar[str] = "A metric must be at least the champion's plus a margin, on the same rows, by its bound."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Compare the difference, or its one-sided bound, with the margin."""
        metric = metric_of(check, evidence)
        _check_direction(check, metric)
        if evidence.champion is None:
            return concluded(check, PASS, "there is no champion to compare with", rows=evidence.rows)
        require_rows(evidence.y, evidence.task)
        interval = paired_bootstrap(
            metric, evidence.y, evidence.score, evidence.champion,
            confidence=one_sided(check), seed=evidence.seed, repeats=repeats(evidence.rows),
        )  # fmt: skip
        ours, theirs = (metric.compute(evidence.y, score) for score in (evidence.score, evidence.champion))
        subject = (
            f"{check.metric} is {number(ours)} and the champion's {number(theirs)} on the same rows; the difference is"
        )
        return judged(check, interval, rows=evidence.rows, subject=subject)


def _check_direction(check: Check, metric: Metric) -> None:
    """Refuse a rule that only a better model could break: it would let every worse one through."""
    if check.op.startswith(">") == metric.higher_is_better:
        return
    better, op = ("higher", ">=") if metric.higher_is_better else ("lower", "<=")
    raise ProjectError(
        what=f"`{check.text}` would let every worse model pass",
        why=f"{metric.name} is better when it is {better}, so `{check.op}` bounds how much better a model may be",
        fix=f"write `{metric.name} {op} champion {'-' if op == '>=' else '+'} ...`",
        where=place(check),
    )
