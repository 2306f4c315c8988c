"""`permuted(roc_auc) <= 0.55`: small trees that were trained on permuted labels must know nothing.

The labels of the data are permuted, the features made anew by the project's function, and rows judged that the trees
did not see. Whatever they know they were told by a feature that is made from labels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from detent.errors import ProjectError
from detent.gate.evidence import Evidence
from detent.gate.measure import measured
from detent.gate.named import metric_of
from detent.gate.requirements import place, require_rows
from detent.gate.rule import concluded, judged
from detent.gate.wording import count
from detent.records.check import INCONCLUSIVE, REJECT, Check, CheckResult
from detent.statistics.metrics import Metric


class PermutedControl:
    """A metric of a model that can't know anything, by its bound."""

    summary: ClassVar[str] = "A model that is trained on permuted labels may not be better than so much."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Bound the metric on permuted labels; a model that surely beats the limit was told the answer."""
        metric = metric_of(check, evidence)
        _require_limit(check, metric)
        found = evidence.permuted
        if found is None or found.untold or not len(found.rows):
            why = found.untold if found is not None and found.untold else "nobody trained one"
            reason = f"there is no model on permuted labels: {why}"
            return concluded(check, INCONCLUSIVE, reason, rows=0)
        require_rows(found.y, evidence.task)
        y, score = np.full(evidence.rows, np.nan), np.full_like(evidence.score, np.nan)
        y[found.rows], score[found.rows] = found.y, found.score
        interval = measured(metric, check, replace(evidence, y=y, score=score), found.rows)
        subject = f"trained on permuted labels, trees on {count(found.inputs, 'input')} reach a {check.metric} of"
        result = judged(check, interval, rows=len(found.rows), subject=subject)
        if result.decision != REJECT:
            return result
        return replace(result, reason=f"{result.reason}: a feature is made from labels, its own or those of other rows")


def _require_limit(check: Check, metric: Metric) -> None:
    """Refuse a line that a model which knows the labels would keep.

    Raises:
        ProjectError: it bounds the worse side, or the metric has none.
    """
    op = "<=" if metric.higher_is_better else ">="
    if metric.goal is None and check.op[0] == op[0]:
        return
    two_sided = metric.goal is not None
    raise ProjectError(
        what=f"`{check.text}` is no limit to what a model on permuted labels knows",
        why=f"{check.metric} has no side that is better" if two_sided else f"`{check.op}` bounds the worse side",
        fix="use roc_auc or r2" if two_sided else f"write `permuted({check.metric}) {op} ...`",
        where=place(check),
    )
