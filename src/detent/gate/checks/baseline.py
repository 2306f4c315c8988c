"""Always on: the scores are scores, and the candidate is better than predicting one number for everybody."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detent.gate.evidence import Evidence
from detent.gate.requirements import require_rows
from detent.gate.rule import concluded, judged, one_sided, two_sided
from detent.gate.wording import count, number, percent
from detent.records.check import REJECT, Check, CheckResult
from detent.statistics.intervals import bootstrap
from detent.statistics.metrics import BINARY, CLASSES, METRICS, metrics_of
from detent.statistics.resample import Draws, paired

REPEATS = 300  # resamples: the question is coarse
MIN_SPREAD = 1e-6  # standard deviation of the scores; below, they are one number with rounding noise
SLACK = 1e-4  # probabilities of 32 bits, from an exported graph, may miss their sum by so much
_AREA = {BINARY: "roc_auc", CLASSES: "roc_auc_ovr"}  # by task: how well the scores rank; 0.5 is chance
LOSS_TOLERANCE = 0.02  # share of the constant's log loss that drift may cost an honest model without a refusal


class Baseline:
    """Sanity: a broken, constant or inverted model never gets through, whatever the gate section asks."""

    summary: ClassVar[str] = "Scores must be valid and not constant, and rank and fit better than a constant answer."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Reject invalid and constant scores; compare the model with a constant by its 95 % bound."""
        broken = _broken(evidence)
        if broken:
            return concluded(check, REJECT, broken, rows=evidence.rows)
        require_rows(evidence.y, evidence.task)
        return _regression(check, evidence) if evidence.task not in _AREA else _ranking(check, evidence)


def _broken(evidence: Evidence) -> str:
    """Return what is wrong with the scores as numbers, or nothing."""
    if evidence.task == CLASSES:
        return _broken_classes(evidence)
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


def _broken_classes(evidence: Evidence) -> str:
    score = evidence.score
    sums = score.sum(axis=1)
    bad = ~(np.isfinite(score) & (score >= 0.0) & (score <= 1.0 + SLACK)).all(axis=1) | ~(np.abs(sums - 1.0) <= SLACK)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        shown = ", ".join(f"{part:g}" for part in score[first][:5]) + (", ..." if score.shape[1] > 5 else "")
        return (
            f"{int(bad.sum()):,} of {count(len(score))} have no probabilities from 0 to 1 that sum to 1; the first is "
            f"{shown} in evaluation row {first}{_named(evidence, first)}"
        )
    if len(score) > 1 and bool((score.std(axis=0) <= MIN_SPREAD).all()):
        return "the model gives the same probabilities to every row: it has learnt nothing"
    return ""


def _named(evidence: Evidence, row: int) -> str:
    return "" if evidence.keys is None else f" (key {evidence.keys[row]})"


def _ranking(check: Check, evidence: Evidence) -> CheckResult:
    metric = metrics_of(evidence.task)[_AREA[evidence.task]]
    interval = bootstrap(
        metric, evidence.y, evidence.score,
        confidence=two_sided(check), seed=evidence.seed, repeats=REPEATS,
    )  # fmt: skip
    misleading, note = _calibration(check, evidence)
    subject = f"a constant answer has a {metric.name} of 0.5; the model's is"
    result = judged(check, interval, rows=evidence.rows, subject=subject, note=note)
    # A model that does not even rank is refused for that: it is the deeper fault.
    return result if misleading is None or result.decision == REJECT else misleading


def _calibration(check: Check, evidence: Evidence) -> tuple[CheckResult | None, str]:
    """Return the refusal of probabilities that mislead, if they surely do, and a note if they seem to.

    The constant is the base rate of the evaluation rows themselves (of several classes the share of each), the best
    that a constant can do. Rows are drawn for both at once, so one unlucky row that was answered with great confidence
    refuses nobody.
    """
    loss = metrics_of(evidence.task)["log_loss"]
    always, base = _constant(evidence)
    ours, constant = loss.compute(evidence.y, evidence.score), loss.compute(evidence.y, always)
    if ours <= constant:
        return None, ""
    told = f"log loss {number(ours)} against {number(constant)} of always answering {base}"
    how = Draws(seed=evidence.seed, repeats=REPEATS)
    excess = paired(loss, evidence.y, evidence.score, always, confidence=two_sided(check), how=how)
    if excess.low <= LOSS_TOLERANCE * constant:
        return None, f"its probabilities are badly calibrated: {told}"
    reason = (
        f"it may rank well, but its probabilities mislead: {told}, and the difference is at least "
        f"{number(excess.low)} (lower {percent(one_sided(check))} bound); calibrate the model, or train it less"
    )
    return concluded(check, REJECT, reason, rows=evidence.rows, value=ours, threshold=constant), ""


def _constant(evidence: Evidence) -> tuple[NDArray[np.float64], str]:
    """Return the best constant answer to every row, and its name."""
    if evidence.task == BINARY:
        base = float(evidence.y.mean())
        return np.full(evidence.rows, base), number(base)
    shares = np.bincount(evidence.y.astype(np.intp), minlength=evidence.score.shape[1]) / evidence.rows
    return np.tile(shares, (evidence.rows, 1)), "the share of each class"


def _regression(check: Check, evidence: Evidence) -> CheckResult:
    """rmse below that of the mean, judged on r2: r2 > 0 says the same, and its resamples share rows with the mean's."""
    interval = bootstrap(
        METRICS["r2"], evidence.y, evidence.score,
        confidence=two_sided(check), seed=evidence.seed, repeats=REPEATS,
    )  # fmt: skip
    rmse, spread = METRICS["rmse"].compute(evidence.y, evidence.score), float(evidence.y.std())
    subject = f"rmse is {number(rmse)} and that of always answering the mean {number(spread)}: r2 is"
    return judged(replace(check, threshold=0.0), interval, rows=evidence.rows, subject=subject)
