"""Quality without labels: what the calibrated scores of a window promise, and what such a promise can't know. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from detent.monitor.measured import Judgement, Standard, margin_of
from detent.records.finding import INFO, WARNING, Finding
from detent.records.quality import PROMISED, Estimate
from detent.statistics import cbpe
from detent.statistics.axes import OUTPUT
from detent.statistics.granules import Granule, cells_of
from detent.statistics.reference import Reference

STRANGE = 0.02  # share of scores beyond those that the calibrator was fitted on from which it is said


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlabelled:
    """The scores of one version in one window."""

    version: int
    start: str  # ISO time
    end: str
    scores: Granule  # over `cbpe.scores_layout` of the reference's layout
    calibrated_days: float | None  # age of the calibrator in days; None: unknown
    checked_days: float | None  # since labels were last looked at, in days; None: never


def judge_promise(window: Unlabelled, reference: Reference, standard: Standard) -> Judgement:
    """Estimate the live metric of a window without its labels; nothing is said where that is not possible.

    WARNING when even the better end of the interval has fallen by more than the margin; never CRITICAL, and never a
    proof that all is well: a world in which the same inputs lead to another truth looks as before.
    """
    layout, calibrator = cbpe.scores_layout(reference.layout), reference.calibrator
    if calibrator is None or standard.metric not in cbpe.METRICS or window.scores.rows < standard.min_rows:
        return Judgement(findings=(), estimates=())
    found = cbpe.outlook(
        layout, window.scores, cbpe.scores_only(reference.layout, reference.scores), calibrator,
        metric=standard.metric, confidence=standard.confidence, seed=standard.seed,
    )  # fmt: skip
    if isnan(found.now.value) or isnan(found.then):  # one class only is expected
        return Judgement(findings=(), estimates=())
    caveats = _caveats(window, reference)
    margin = margin_of(standard.metric, found.then)
    fell = found.worse.low > margin
    text = (
        f"{standard.metric} is probably {found.now.value:.4g} ({standard.confidence:.1%} interval {found.now.low:.4g} "
        f"to {found.now.high:.4g}), by the calibrated scores of {window.scores.rows:,} answers of version "
        f"{window.version}, without labels. By the same way it was {found.then:.4g} when the model was made. "
    ) + " ".join(caveats)
    finding = Finding(
        kind="estimate", severity=WARNING if fell else INFO, column=None, statistic=standard.metric,
        value=found.now.value, low=found.now.low, high=found.now.high, threshold=found.then - margin,
        rows=window.scores.rows, window_start=window.start, window_end=window.end, message=text,
        version=window.version,
    )  # fmt: skip
    estimate = Estimate(
        metric=standard.metric, value=found.now.value, low=found.now.low, high=found.now.high,
        rows=window.scores.rows, labelled=0, method=PROMISED, caveats=caveats,
    )  # fmt: skip
    return Judgement(findings=(finding,), estimates=(estimate,))


def _caveats(window: Unlabelled, reference: Reference) -> tuple[str, ...]:
    said = ["A change of what the inputs mean can't be seen this way."]
    if window.calibrated_days is not None:
        said.append(f"The scores were calibrated {window.calibrated_days:.0f} days ago.")
    strange = _strange(window.scores, reference)
    if strange >= STRANGE:
        said.append(f"{strange:.0%} of the scores lie beyond those that the calibration saw.")
    if window.checked_days is None:
        said.append("No label has confirmed it yet.")
    else:
        said.append(f"Labels were looked at {window.checked_days:.0f} days ago.")
    return tuple(said)


def _strange(scores: Granule, reference: Reference) -> float:
    """Return the share of scores outside of the calibrator's points."""
    layout, calibrator = cbpe.scores_layout(reference.layout), reference.calibrator
    axis = layout.axis(OUTPUT)
    if axis is None or calibrator is None:
        return 0.0
    counts = cells_of(layout, scores, OUTPUT).bins
    below = sum(edge <= calibrator.x[0] for edge in axis.edges)
    above = sum(edge >= calibrator.x[-1] for edge in axis.edges)
    # The bins beyond the points: up to and with the one that ends below the first, and those that begin at the last.
    outside = counts[: max(below - 1, 0)].sum() + (counts[-above:].sum() if above else 0)
    return float(outside / max(1, counts.sum()))
