"""Always on: the scores are scores, and the candidate is better than predicting one number for everybody."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from detent.gate.evidence import Evidence
from detent.gate.requirements import require_rows
from detent.gate.rule import concluded, judged, two_sided
from detent.gate.wording import count, number
from detent.records.check import REJECT, Check, CheckResult
from detent.statistics.intervals import bootstrap
from detent.statistics.metrics import BINARY, METRICS

REPEATS = 300  # resamples: the question is coarse
MIN_SPREAD = 1e-6  # standard deviation of the scores; below, they are one number with rounding noise
LOSS_TOLERANCE = 0.01  # log loss above the base rate's by more than this is mentioned


class Baseline:
    """Sanity: a broken, constant or inverted model never gets through, whatever the gate section asks."""

    summary: ClassVar[str] = "Scores must be valid and not constant, and the model must beat a constant prediction."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Reject invalid and constant scores; compare the model with a constant by its 95 % bound."""
        broken = _broken(evidence)
        if broken:
            return concluded(check, REJECT, broken, rows=evidence.rows)
        require_rows(evidence.y, evidence.task)
        return _binary(check, evidence) if evidence.task == BINARY else _regression(check, evidence)


def _broken(evidence: Evidence) -> str:
    """Return what is wrong with the scores as numbers, or nothing."""
    score, limits = evidence.score, "NaN or infinite"
    bad = ~np.isfinite(score)
    if evidence.task == BINARY:
        limits = "not a number from 0 to 1"
        bad |= (score < 0.0) | (score > 1.0)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        verb = "is" if bad.sum() == 1 else "are"
        return (
            f"{int(bad.sum()):,} of {count(score.size, 'score')} {verb} {limits}; "
            f"the first is {score[first]:g} in evaluation row {first}{_named(evidence, first)}"
        )
    if score.size > 1 and (np.ptp(score) == 0.0 or score.std() <= MIN_SPREAD * max(1.0, abs(float(score.mean())))):
        return f"the model answers {number(float(score[0]))} to every row: it has learnt nothing"
    return ""


def _named(evidence: Evidence, row: int) -> str:
    return "" if evidence.keys is None else f" (key {evidence.keys[row]})"


def _binary(check: Check, evidence: Evidence) -> CheckResult:
    metric = METRICS["roc_auc"]
    interval = bootstrap(
        metric, evidence.y, evidence.score,
        confidence=two_sided(check), seed=evidence.seed, repeats=REPEATS,
    )  # fmt: skip
    base = float(evidence.y.mean())
    loss = METRICS["log_loss"]
    ours, constant = (loss.compute(evidence.y, s) for s in (evidence.score, np.full(evidence.rows, base)))
    note = ""
    if ours > constant + LOSS_TOLERANCE:
        note = (
            f"its probabilities are badly calibrated: log loss {number(ours)} against {number(constant)} "
            f"of always answering {number(base)}"
        )
    subject = "a constant answer has a roc_auc of 0.5; the model's is"
    return judged(check, interval, rows=evidence.rows, subject=subject, note=note)


def _regression(check: Check, evidence: Evidence) -> CheckResult:
    """rmse below that of the mean, judged on r2: r2 > 0 says the same, and its resamples share rows with the mean's."""
    interval = bootstrap(
        METRICS["r2"], evidence.y, evidence.score,
        confidence=two_sided(check), seed=evidence.seed, repeats=REPEATS,
    )  # fmt: skip
    rmse, spread = METRICS["rmse"].compute(evidence.y, evidence.score), float(evidence.y.std())
    subject = f"rmse is {number(rmse)} and that of always answering the mean {number(spread)}: r2 is"
    return judged(replace(check, threshold=0.0), interval, rows=evidence.rows, subject=subject)
