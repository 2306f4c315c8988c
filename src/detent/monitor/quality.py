"""Quality: how good the answers of a window were, once labels are in; and how many requests got no answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detent.records.finding import CRITICAL, INFO, WARNING, Finding
from detent.statistics.intervals import Interval, bootstrap
from detent.statistics.metrics import METRICS, UndefinedMetricError

CONFIDENCE = 0.95
# With fewer labels than this share of the answers, those that came first may be the easy ones: nothing is concluded.
MATURE = 0.8
# How much worse than at the gate is "worse": in the metric's own unit where it is bounded, else as a share of the
# gate's value.
MARGIN = 0.02
UNBOUNDED = ("rmse", "mae", "log_loss")

FAILING, BROKEN = 0.005, 0.05  # shares of failed answers
LEAST_FAILURES, MANY_FAILURES = 5, 20  # below these a share is chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The window that is judged."""

    start: str  # ISO time
    end: str
    coverage: float  # share of its answers whose label is known, 0..1

    @property
    def mature(self) -> bool:
        """Enough labels are in to conclude something."""
        return self.coverage >= MATURE


def quality_findings(
    y: ArrayLike,
    score: ArrayLike,
    *,
    metric: str,
    floor: float | None,
    reference_value: float | None,
    window: Window,
    min_rows: int = 200,
    seed: int,
) -> list[Finding]:
    """Measure the live metric of a window and judge it by its interval, never by its point estimate.

    CRITICAL: even the better end of the 95 % interval misses the floor. WARNING: even the better end is worse than the
    value at the gate by more than the margin (0.02; for rmse, mae and log_loss 2 % of the gate's value). Else INFO, so
    every window has its value in the ledger and the whole curve can be drawn. With less than 80 % of its labels or
    fewer than `min_rows` rows a window is INFO whatever it shows, and a second finding ("maturity" or "rows") says why
    nothing is concluded.

    Args:
        y: labels (rows,), of the rows whose label is known.
        score: the answers that callers got for these rows (rows,).
        metric: a name of `detent.statistics.metrics.METRICS`.
        floor: value that must not be missed; None: there is none.
        reference_value: the metric at the gate; None: unknown.
        window: the window and its coverage with labels.
        min_rows: fewer labelled rows are too few to conclude something.
        seed: of the bootstrap.
    """
    labels, scores = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    try:
        measured = bootstrap(METRICS[metric], labels, scores, confidence=CONFIDENCE, seed=seed)
    except UndefinedMetricError as error:
        text = f"{metric} of this window is unknown: {error.what}."
        return [_finding("quality", INFO, "rows", float(len(labels)), float(min_rows), len(labels), window, text)]
    sentence = _sentence(metric, measured, len(labels), window)
    severity, reason, threshold = _severity(metric, measured, floor, reference_value)
    caveat = _caveat(len(labels), min_rows, window)
    if caveat:
        severity, reason = INFO, "Nothing is concluded from it yet"
    return [
        Finding(
            kind="quality",
            severity=severity,
            column=None,
            statistic=metric,
            value=measured.value,
            low=measured.low,
            high=measured.high,
            threshold=threshold,
            rows=len(labels),
            window_start=window.start,
            window_end=window.end,
            message=f"{sentence} {reason}." if reason else sentence,
        ),
        *caveat,
    ]


def coverage_findings(*, labelled: int, answered: int, due: bool, window: Window) -> list[Finding]:
    """Say how many labels of a window are in: WARNING when they are due and below 80 %, else INFO; [] without answers.

    Args:
        labelled: answers whose label is known.
        answered: answers given.
        due: the window is old enough for its labels to be in.
        window: the window.
    """
    if answered == 0:
        return []
    share = labelled / answered
    late = due and share < MATURE
    message = f"{labelled:,} of {answered:,} answers have a label ({share:.1%})"
    message += f", although all were due: {MATURE:.0%} are expected." if late else "."
    return [_finding("labels", WARNING if late else INFO, "coverage", share, MATURE, answered, window, message)]


def error_findings(*, requests: int, errors: int, window: Window) -> list[Finding]:
    """Judge the share of failed requests: CRITICAL above 5 % (and 20 failures), WARNING above 0.5 % (and 5 failures).

    Fewer failures are INFO, none are no finding.
    """
    if errors == 0:
        return []
    share = errors / max(1, requests)
    severity, threshold = INFO, FAILING
    if share > FAILING and errors >= LEAST_FAILURES:
        severity = WARNING
    if share > BROKEN and errors >= MANY_FAILURES:
        severity, threshold = CRITICAL, BROKEN
    message = f"{errors:,} of {requests:,} requests failed ({share:.2%}); up to {threshold:.1%} is tolerated."
    return [_finding("errors", severity, "failed_share", share, threshold, requests, window, message)]


def _severity(
    metric: str, measured: Interval, floor: float | None, reference: float | None
) -> tuple[str, str, float | None]:
    """Return severity, reason and the threshold that decided. Metrics where less is better are mirrored first."""
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    best = measured.high if sign > 0 else measured.low
    if floor is not None and sign * best < sign * floor:
        side = "below the floor" if sign > 0 else "above the limit"
        return CRITICAL, f"It is {side} of {floor:.4g} with {CONFIDENCE:.0%} confidence", floor
    if reference is not None:
        limit = reference - sign * MARGIN * (abs(reference) if metric in UNBOUNDED else 1.0)
        if sign * best < sign * limit:
            return WARNING, f"It is measurably worse than {reference:.4g} at the gate", limit
    return INFO, "" if reference is None else f"It was {reference:.4g} at the gate", floor


def _sentence(metric: str, measured: Interval, rows: int, window: Window) -> str:
    return (
        f"{metric} {measured.value:.4g} ({CONFIDENCE:.0%} interval {measured.low:.4g} to {measured.high:.4g}) on "
        f"{rows:,} labelled rows, {window.coverage:.0%} of the window."
    )


def _caveat(rows: int, least: int, window: Window) -> list[Finding]:
    """Say why a window can't be judged; [] when it can."""
    if not window.mature:
        text = f"{window.coverage:.0%} of the labels are in; quality is judged from {MATURE:.0%} on."
        return [_finding("quality", INFO, "maturity", window.coverage, MATURE, rows, window, text)]
    if rows < least:
        text = f"{rows} labelled rows are too few to judge quality; {least} are needed."
        return [_finding("quality", INFO, "rows", float(rows), float(least), rows, window, text)]
    return []


def _finding(
    kind: str, severity: str, statistic: str, value: float, threshold: float, rows: int, window: Window, message: str
) -> Finding:
    return Finding(
        kind=kind, severity=severity, column=None, statistic=statistic, value=value, low=None, high=None,
        threshold=threshold, rows=rows, window_start=window.start, window_end=window.end, message=message,
    )  # fmt: skip
