"""Quality without labels: what counts of a window promise, and what such a promise can't know. Pure.

Of probabilities, calibrated scores promise how many answers are right, and of several classes those of each class; of
values, a loss model how large errors are.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from detent.monitor.measured import Judgement, Standard, margin_of
from detent.records.finding import INFO, WARNING, Finding
from detent.records.quality import PROMISED, Estimate
from detent.statistics import cbpe, cbpe_classes, dle
from detent.statistics.axes import OUTPUT
from detent.statistics.cbpe import Outlook
from detent.statistics.cbpe_classes import Sums
from detent.statistics.granules import Granule, cells_of
from detent.statistics.layout import Layout
from detent.statistics.metrics import named
from detent.statistics.reference import LossModel, Reference

STRANGE = 0.02  # share of scores beyond those that the calibrator was fitted on from which it is said


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlabelled:
    """What was counted of one version's answers in one window."""

    version: int
    start: str  # ISO time
    end: str
    layout: Layout  # of probabilities `cbpe.scores_layout`; of a value the reference's one, without masked inputs
    counts: Granule  # over it
    calibrated_days: float | None  # age of the calibrator, or of the loss model, in days; None: unknown
    checked_days: float | None  # since labels were last looked at, in days; None: never
    classes: Sums | None = None  # of several classes what their probabilities add up to

    @property
    def rows(self) -> int:
        """Number of answers that something can be said about."""
        return self.counts.rows if self.classes is None else self.classes.rows


def promised_by(reference: Reference, metric: str) -> bool:
    """Tell whether a reference can promise a metric without labels."""
    if reference.chances is not None:
        return metric in cbpe_classes.METRICS
    if reference.calibrator is not None:
        return metric in cbpe.METRICS
    return reference.loss_model(metric) is not None


def judge_promise(window: Unlabelled, reference: Reference, standard: Standard) -> Judgement:
    """Estimate the live metric of a window without its labels; nothing is said where that is not possible.

    WARNING when even the better end of the interval is worse by more than the margin; never CRITICAL, and never a
    proof that all is well: a world in which the same inputs lead to another truth looks as before.
    """
    if not promised_by(reference, standard.metric) or window.rows < standard.min_rows:
        return Judgement(findings=(), estimates=())
    found = _outlook(window, reference, standard)
    if found is None or isnan(found.now.value) or isnan(found.then):  # one class only is expected
        return Judgement(findings=(), estimates=())
    by = "calibrated scores" if _calibrated(reference) else "inputs and values"
    caveats = _caveats(window, reference, standard)
    margin = margin_of(standard.metric, found.then)
    metric = named(standard.metric)
    less_is_better = metric is not None and not metric.higher_is_better
    text = (
        f"{standard.metric} is probably {found.now.value:.4g} ({standard.confidence:.1%} interval {found.now.low:.4g} "
        f"to {found.now.high:.4g}), by the {by} of {window.rows:,} answers of version "
        f"{window.version}, without labels. By the same way it was {found.then:.4g} when the model was made. "
    ) + " ".join(caveats)
    finding = Finding(
        kind="estimate", severity=WARNING if found.worse.low > margin else INFO, column=None,
        statistic=standard.metric, value=found.now.value, low=found.now.low, high=found.now.high,
        threshold=found.then + margin if less_is_better else found.then - margin,
        rows=window.rows, window_start=window.start, window_end=window.end, message=text,
        version=window.version,
    )  # fmt: skip
    estimate = Estimate(
        metric=standard.metric, value=found.now.value, low=found.now.low, high=found.now.high,
        rows=window.rows, labelled=0, method=PROMISED, caveats=caveats,
    )  # fmt: skip
    return Judgement(findings=(finding,), estimates=(estimate,))


def _calibrated(reference: Reference) -> bool:
    return reference.calibrator is not None or reference.chances is not None


def _outlook(window: Unlabelled, reference: Reference, standard: Standard) -> Outlook | None:
    if reference.chances is not None:
        found, chances = window.classes, reference.chances
        assert found is not None  # counted with the rest
        return cbpe_classes.outlook(found, chances, metric=standard.metric, confidence=standard.confidence)
    model, calibrator = reference.loss_model(standard.metric), reference.calibrator
    if calibrator is None:
        assert model is not None  # `promised_by`
        return dle.outlook(window.layout, window.counts, model, confidence=standard.confidence)
    return cbpe.outlook(
        window.layout, window.counts, cbpe.scores_only(reference.layout, reference.scores), calibrator,
        metric=standard.metric, confidence=standard.confidence, seed=standard.seed,
    )  # fmt: skip


def _caveats(window: Unlabelled, reference: Reference, standard: Standard) -> tuple[str, ...]:
    said = ["A change of what the inputs mean can't be seen this way."]
    made = "The scores were calibrated" if _calibrated(reference) else "The errors were learned"
    if window.calibrated_days is not None:
        said.append(f"{made} {window.calibrated_days:.0f} days ago.")
    model = reference.loss_model(standard.metric)
    said += _strange(window, reference) if model is None else _unseen(window, model)
    if window.checked_days is None:
        said.append("No label has confirmed it yet.")
    else:
        said.append(f"Labels were looked at {window.checked_days:.0f} days ago.")
    return tuple(said)


def _unseen(window: Unlabelled, model: LossModel) -> list[str]:
    """Say of which column the loss model knows too little, and which it can't see."""
    column, share = dle.unseen(window.layout, window.counts, model)
    said = [f"{share:.0%} of `{column}` is of a kind whose errors nobody has seen."] if share >= STRANGE else []
    masked = [term.name for term in model.terms if window.layout.axis(term.name) is None]
    return said + ([f"The log masks {', '.join(masked)}; that is taken to look as before."] if masked else [])


def _strange(window: Unlabelled, reference: Reference) -> list[str]:
    """Say what share of the scores lies outside of the calibrator's points."""
    if window.classes is not None:
        return _beyond(window.classes.outside / max(1, window.classes.rows))
    axis, calibrator = window.layout.axis(OUTPUT), reference.calibrator
    if axis is None or calibrator is None:
        return []
    counts = cells_of(window.layout, window.counts, OUTPUT).bins
    below = sum(edge <= calibrator.x[0] for edge in axis.edges)
    above = sum(edge >= calibrator.x[-1] for edge in axis.edges)
    # The bins beyond the points: up to and with the one that ends below the first, and those that begin at the last.
    outside = counts[: max(below - 1, 0)].sum() + (counts[-above:].sum() if above else 0)
    return _beyond(float(outside / max(1, counts.sum())))


def _beyond(share: float) -> list[str]:
    return [f"{share:.0%} of the scores lie beyond those that the calibration saw."] if share >= STRANGE else []
