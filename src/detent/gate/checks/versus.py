"""`roc_auc >= champion - 0.005`, `roc_auc better by 2%`: the candidate against the champion on the same rows."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from detent.gate.evidence import Evidence
from detent.gate.measure import difference, known_on, right
from detent.gate.named import metric_of
from detent.gate.opponent import demand, oriented
from detent.gate.requirements import require_rows
from detent.gate.rule import concluded, judged
from detent.gate.wording import number
from detent.records.check import NO_CHAMPION, PASS, Check, CheckResult
from detent.statistics.mcnemar import mcnemar_mid_p
from detent.statistics.metrics import Metric


class Versus:
    """The difference candidate - champion of a metric, by the test that suits the metric."""

    summary: ClassVar[str] = "A metric must be at least the champion's plus a margin, on the same rows, by its bound."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Compare the difference, or its one-sided bound, with the margin.

        A margin that is a share of the champion's value is as uncertain as that value, so what is bounded then is
        `candidate - factor * champion`.
        """
        metric = metric_of(check, evidence)
        line = oriented(check, metric)
        if evidence.champion is None:
            passed = concluded(check, PASS, "there is no champion to compare with", rows=evidence.rows)
            return replace(passed, stamp=NO_CHAMPION)
        require_rows(evidence.y, evidence.task)
        whole = known_on(metric, evidence)
        ours, theirs = (whole.compute(evidence.y, score) for score in (evidence.score, evidence.champion))
        asked = demand(line, theirs)
        interval = asked.as_difference(difference(metric, line, evidence, factor=asked.factor))
        return judged(
            replace(line, threshold=asked.margin + asked.share),
            interval,
            rows=evidence.rows,
            subject=f"{check.metric} is {number(ours)} and the champion's {number(theirs)} on the same rows; "
            "the difference is",
            note=_note(metric, evidence),
        )


def _note(metric: Metric, evidence: Evidence) -> str:
    """Say on how many rows two models disagree, where a row is right or wrong."""
    if not metric.rate or evidence.champion is None:
        return ""
    ours, theirs = (right(metric, evidence.y, score) for score in (evidence.score, evidence.champion))
    only, only_other = int(np.sum(ours & ~theirs)), int(np.sum(theirs & ~ours))
    p = mcnemar_mid_p(only, only_other)
    return f"right alone on {only:,} rows, the champion on {only_other:,} (McNemar mid-p {p:.3g})"
