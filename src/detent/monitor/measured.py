"""Labelled quality: how good the answers of one version were in one window. Pure.

Nothing is judged by its point estimate, and nothing before its labels are in. Each window may alarm by chance only as
often as the project's budget says, so the interval that decides is as wide as that takes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detent.monitor.concept.protocol import Alarm, Terms
from detent.records.finding import CRITICAL, INFO, WARNING, Finding
from detent.records.quality import MEASURED, POWERED, WEIGHTED, Estimate
from detent.statistics.axes import Floats
from detent.statistics.measure import LOSSES, measure
from detent.statistics.metrics import CLASSES, METRICS, UndefinedMetricError, metrics_of, named
from detent.statistics.powered import Selection, powered_mean, selection
from detent.statistics.reference import Calibrator

ENOUGH = 0.8  # share of the labels that ever come from which a window is judged
# How much worse than at the gate is "worse": in the metric's own unit where it is bounded, else as a share of the
# gate's value.
MARGIN = 0.02
UNBOUNDED = ("rmse", "mae", "log_loss")
MIN_ROWS = 200  # fewer labelled answers are too few to conclude something
NEARLY_ALL = 0.95  # share of labelled rows from which what the others are like can't matter much


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledWindow:
    """The answers of one version in one window, with what is known of the truth."""

    version: int
    start: str  # ISO time
    end: str
    score: Floats  # (rows,) what callers got
    label: Floats  # (rows,) NaN: not known
    mature: bool  # the labels that are in are most of those that ever come
    due: float  # share of the rows that should have a label by now
    classes: Floats | None = None  # (rows, k) of several classes; `score` is the largest and `label` a place among them

    @property
    def known(self) -> np.ndarray:
        """True for rows with a label."""
        return ~np.isnan(self.label)

    @property
    def coverage(self) -> float:
        """Share of the rows with a label, 0..1."""
        return float(self.known.mean()) if self.label.size else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """What a window is held against."""

    metric: str  # a name of `detent.statistics.metrics.metrics_of` the task
    floor: float | None  # value that must not be missed; None: there is none
    at_gate: float | None  # the metric when the gate judged the version; None: unknown
    alpha: float  # chance that a healthy window alarms
    calibrator: Calibrator | None = None  # of the version; None: it gives no probability
    min_rows: int = MIN_ROWS
    seed: int = 0  # of the bootstrap

    @property
    def confidence(self) -> float:
        """Of two-sided intervals that miss on the bad side with chance `alpha`."""
        return 1.0 - 2.0 * self.alpha


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What labels say about a window."""

    findings: tuple[Finding, ...]
    estimates: tuple[Estimate, ...]  # the best one first; () without labels


def judge_quality(window: LabelledWindow, standard: Standard) -> Judgement:
    """Measure the live metric of a window and judge it by its interval.

    CRITICAL: even the better end of the interval misses the floor. WARNING: even the better end is worse than the value
    at the gate by more than the margin (0.02; for rmse, mae and log_loss 2 % of the gate's value). Else INFO, so every
    window has its value in the ledger. Before its labels are in, or with fewer than `min_rows`, it is INFO whatever it
    shows, and another finding says why nothing is concluded. Labels that are no fair sample of the scores are weighted,
    and reach WARNING at most: why some have a label may have to do with the truth itself.
    """
    rows, labelled = window.label.size, int(window.known.sum())
    findings = [_coverage(window)] if rows else []
    if not labelled:
        return Judgement(findings=tuple(findings), estimates=())
    how = selection(window.score, window.known)
    skewed = not how.fair and window.coverage < NEARLY_ALL
    try:
        measured = _measured(window, standard, how, skewed=skewed)
    except UndefinedMetricError as error:
        text = f"{standard.metric} of this window is unknown: {error.what}."
        return Judgement(findings=(*findings, _finding(window, INFO, "rows", labelled, text)), estimates=())
    estimates = [measured]
    findings.append(_judged(window, standard, measured, skewed=skewed))
    findings += _caveats(window, standard, labelled)
    if skewed:
        findings.append(_skew(window, how))
    powered = _powered(window, standard, how if skewed else None)
    if powered is not None:
        estimates.insert(0, powered)
        findings.append(_estimated(window, standard, powered))
    return Judgement(findings=tuple(findings), estimates=tuple(estimates))


def _measured(window: LabelledWindow, standard: Standard, how: Selection, *, skewed: bool) -> Estimate:
    score = window.score if window.classes is None else window.classes
    y, score = window.label[window.known], score[window.known]
    weights = how.weights if skewed else None
    metric = METRICS[standard.metric] if window.classes is None else metrics_of(CLASSES)[standard.metric]
    found = measure(metric, y, score, weights, confidence=standard.confidence, seed=standard.seed)
    return Estimate(
        metric=standard.metric, value=found.value, low=found.low, high=found.high, rows=window.label.size,
        labelled=y.size, method=WEIGHTED if skewed else MEASURED,
    )  # fmt: skip


def _judged(window: LabelledWindow, standard: Standard, measured: Estimate, *, skewed: bool) -> Finding:
    severity, reason, threshold = verdict_of(measured, standard)
    if not window.mature or measured.labelled < standard.min_rows:
        severity, reason = INFO, "Nothing is concluded from it yet"
    elif skewed and severity == CRITICAL:
        severity, reason = WARNING, f"{reason}, but its labels are no fair sample"
    weighed = ", weighted" if skewed else ""
    text = (
        f"{measured.metric} {measured.value:.4g} ({standard.confidence:.1%} interval {measured.low:.4g} to "
        f"{measured.high:.4g}) on {measured.labelled:,} labelled answers of version {window.version}, "
        f"{window.coverage:.0%} of them{weighed}."
    )
    said = f"{text} {reason}." if reason else text
    found = _finding(window, severity, measured.metric, measured.value, said, threshold=threshold)
    return replace(found, low=measured.low, high=measured.high)


def verdict_of(found: Estimate, standard: Standard) -> tuple[str, str, float | None]:
    """Return severity, reason and the threshold that decided. Metrics where less is better are mirrored first."""
    metric = named(standard.metric)
    sign = 1.0 if metric is not None and metric.higher_is_better else -1.0
    best = found.high if sign > 0 else found.low
    floor, at_gate = standard.floor, standard.at_gate
    if floor is not None and sign * best < sign * floor:
        side = "below the floor" if sign > 0 else "above the limit"
        return CRITICAL, f"It is {side} of {floor:.4g}", floor
    if at_gate is not None:
        limit = at_gate - sign * margin_of(standard.metric, at_gate)
        if sign * best < sign * limit:
            return WARNING, f"It is measurably worse than {at_gate:.4g} at the gate", limit
    return INFO, "" if at_gate is None else f"It was {at_gate:.4g} at the gate", floor


def worse_for_good(window: LabelledWindow, alarm: Alarm, terms: Terms, *, at_gate: float) -> Finding:
    """Say that the losses of a version's answers, followed one by one, have become larger than is accepted.

    Args:
        window: in which it became clear.
        alarm: of the follower.
        terms: what it was told.
        at_gate: mean loss when the gate judged the version.
    """
    known = int(window.known.sum())
    text = (
        f"The loss of version {window.version} has become larger than is accepted ({terms.p0:.4g}; it was "
        f"{at_gate:.4g} at the gate). That was clear at answer {alarm.position + 1:,} of {known:,} with a label."
    )
    return _finding(window, CRITICAL, "loss", alarm.value, text, threshold=alarm.threshold)


def margin_of(metric: str, at_gate: float) -> float:
    """Return by how much a metric may be worse than at the gate, in its own unit."""
    return MARGIN * (abs(at_gate) if metric in UNBOUNDED else 1.0)


def _powered(window: LabelledWindow, standard: Standard, how: Selection | None) -> Estimate | None:
    """Return the mean loss with the help of what the calibrated scores promise; None where that is no help."""
    rows, known, calibrator = window.label.size, window.known, standard.calibrator
    if calibrator is None or standard.metric not in LOSSES or window.coverage >= NEARLY_ALL or known.sum() < 2:
        return None
    loss = LOSSES[standard.metric]
    chance = calibrator.apply(window.score)
    guess = chance * loss(np.ones(rows), window.score) + (1.0 - chance) * loss(np.zeros(rows), window.score)
    # Weights make the labelled rows stand for all of them; without weights they are a sample like the others.
    rest = guess[~known] if how is None else guess
    truth = loss(window.label[known], window.score[known])
    weights = None if how is None else how.weights
    found = powered_mean(rest, guess[known], truth, weights, confidence=standard.confidence)
    return Estimate(
        metric=standard.metric, value=found.value, low=found.low, high=found.high, rows=rows,
        labelled=int(known.sum()), method=POWERED,
        caveats=("Answers without a label are judged by calibrated scores, corrected by those that have one.",),
    )  # fmt: skip


def _estimated(window: LabelledWindow, standard: Standard, powered: Estimate) -> Finding:
    text = (
        f"{powered.metric} of all {powered.rows:,} answers is about {powered.value:.4g} ({standard.confidence:.1%} "
        f"interval {powered.low:.4g} to {powered.high:.4g}), by {powered.labelled:,} labels and the calibrated scores."
    )
    rows, floor = powered.rows, standard.floor
    found = _finding(window, INFO, powered.metric, powered.value, text, kind="estimate", threshold=floor, rows=rows)
    return replace(found, low=powered.low, high=powered.high)


def _coverage(window: LabelledWindow) -> Finding:
    rows, labelled = window.label.size, int(window.known.sum())
    share, due = window.coverage, window.due
    late = share < ENOUGH * due
    text = f"{labelled:,} of {rows:,} answers of version {window.version} have a label ({share:.1%})"
    text += f", although {due:.0%} should have one by now." if late else "."
    severity = WARNING if late else INFO
    return _finding(window, severity, "coverage", share, text, kind="labels", threshold=ENOUGH * due, rows=rows)


def _caveats(window: LabelledWindow, standard: Standard, labelled: int) -> list[Finding]:
    """Say why a window can't be judged; [] when it can."""
    if not window.mature:
        text = f"{window.coverage:.0%} of the labels are in; quality is judged once most of those that ever come are."
        return [_finding(window, INFO, "maturity", window.coverage, text, threshold=ENOUGH, rows=labelled)]
    if labelled < standard.min_rows:
        least = standard.min_rows
        text = f"{labelled} labelled answers are too few to judge quality; {least} are needed."
        return [_finding(window, INFO, "rows", labelled, text, threshold=float(least), rows=labelled)]
    return []


def _skew(window: LabelledWindow, how: Selection) -> Finding:
    text = (
        f"Which answers have a label depends on their score (p {how.p_value:.1g}), so each counts for as many as it "
        "stands for. If it depends on the truth as well, no weights can mend that."
    )
    if how.blind > 0.0:
        text += f" {how.blind:.0%} of the answers have scores of which no label tells."
    labelled = int(window.known.sum())
    return _finding(window, INFO, "selection", how.p_value, text, kind="labels", rows=labelled)


def _finding(
    window: LabelledWindow, severity: str, statistic: str, value: float, text: str, *, kind: str = "quality",
    threshold: float | None = None, rows: int | None = None,
) -> Finding:  # fmt: skip
    return Finding(
        kind=kind, severity=severity, column=None, statistic=statistic, value=float(value), low=None, high=None,
        threshold=threshold, rows=int(window.known.sum()) if rows is None else rows, window_start=window.start,
        window_end=window.end, message=text, version=window.version,
    )  # fmt: skip
