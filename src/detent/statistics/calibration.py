"""Do probabilities mean what they say? Error by bins, and the line that would mend them."""

from __future__ import annotations

from math import erf, sqrt

import numpy as np

from detent.statistics.metric import BINARY, Floats, Metric, Resampler, both_classes

CALIBRATION_BINS = 10
ECE_BINS = 15
_STEPS, _DONE, _STILL = 30, 1e-10, 1e-6  # of Newton's method: how many, and when it is at its end
_EDGE = 1e-9  # scores of exactly 0 and 1 have no logit
_erf = np.frompyfunc(erf, 1, 1)  # of few numbers; SciPy would take longer to load than they take


def _calibration_error(y: Floats, score: Floats) -> Resampler:
    """Expected calibration error over 10 bins of equally many rows: mean |observed rate - mean score|, by rows.

    Equal scores share a bin. Noise adds to it: a perfectly calibrated model has about 0.03 on 1,000 rows.
    """
    edges = np.unique(np.quantile(score, np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, score, side="left")
    surplus = np.zeros((y.size, edges.size + 1))
    surplus[np.arange(y.size), bins] = y - score
    return lambda counts: np.abs(counts @ surplus).sum(axis=1) / counts.sum(axis=1)


def ece(y: Floats, score: Floats) -> Resampler:
    """Expected calibration error over 15 bins of equally many rows, less what noise adds to it.

    A bin's |observed rate - mean score| is too large on average by the mean of a folded normal less its centre; that
    is taken off, with the measured difference for the centre (Kumar, Liang and Ma 2019). What remains of the bias is
    upwards, and goes with the root of the rows of a bin.
    """
    edges = np.unique(np.quantile(score, np.linspace(0.0, 1.0, ECE_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, score, side="left")
    member = np.zeros((y.size, edges.size + 1))
    member[np.arange(y.size), bins] = 1.0
    surplus = member * (y - score)[:, None]
    squares = surplus**2

    def resample(counts: Floats) -> Floats:
        rows = np.maximum(counts @ member, 1.0)
        mean = (counts @ surplus) / rows
        error = np.sqrt(np.maximum((counts @ squares) / rows - mean**2, 0.0) / rows)
        far = np.divide(mean, error, out=np.full_like(mean, 40.0), where=error > 0.0)
        inside = error * np.sqrt(2.0 / np.pi) * np.exp(-(far**2) / 2.0)
        folded = inside + mean * np.asarray(_erf(far / sqrt(2.0)), dtype=np.float64)
        seen = np.abs(mean)
        bias = np.where(error > 0.0, folded - seen, 0.0)
        return np.maximum(((seen - bias) * (counts @ member)).sum(axis=1) / counts.sum(axis=1), 0.0)

    return resample


def _slope(y: Floats, score: Floats) -> Resampler:
    """Slope of the label's logit over the score's: 1 is right, less is over-confident, more is too timid (Cox 1958)."""
    both_classes(y, "calibration_slope")
    x = _logit(score)
    begin = _line(np.ones((1, y.size)), x, y, (0.0, 1.0))  # resamples lie near all rows: few steps from there
    near = (float(begin[0][0]), float(begin[1][0])) if np.isfinite(begin[1][0]) else (0.0, 1.0)
    return lambda counts: _line(counts, x, y, near)[1]


def _intercept(y: Floats, score: Floats) -> Resampler:
    """Shift of the score's logit that makes the mean right: 0 is right, above 0 the scores are too low."""
    both_classes(y, "calibration_intercept")
    x = _logit(score)

    def resample(counts: Floats) -> Floats:
        shift, step = np.zeros(counts.shape[0]), np.zeros(counts.shape[0])
        for _ in range(_STEPS):
            chance = _chance(shift[:, None] + x)
            step = (counts * (y - chance)).sum(axis=1) / np.maximum(
                (counts * chance * (1.0 - chance)).sum(axis=1), 1e-12
            )
            shift += np.clip(step, -4.0, 4.0)
            if np.abs(step).max() < _DONE:
                break
        return np.where(np.abs(step) < _STILL, shift, np.nan)

    return resample


def _line(counts: Floats, x: Floats, y: Floats, begin: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Fit logit(label) = a + b x by Newton's method, for all resamples at once; NaN where classes are separated."""
    a, b = (np.full(counts.shape[0], start) for start in begin)
    steps = np.zeros((2, counts.shape[0]))
    for _ in range(_STEPS):
        chance = _chance(a[:, None] + b[:, None] * x)
        weight, left = counts * chance * (1.0 - chance), counts * (y - chance)
        aa, ab, bb = weight.sum(axis=1), weight @ x, weight @ x**2
        ga, gb = left.sum(axis=1), left @ x
        scale = aa * bb - ab**2
        scale = np.where(scale > 1e-12 * np.maximum(aa * bb, 1e-300), scale, np.nan)
        steps = np.stack([(bb * ga - ab * gb) / scale, (aa * gb - ab * ga) / scale])
        a, b = a + np.clip(steps[0], -4.0, 4.0), b + np.clip(steps[1], -4.0, 4.0)
        if not np.any(np.abs(steps) > _DONE):
            break
    lost = ~(np.abs(steps).max(axis=0) < _STILL)  # still on its way to a line without end, or lost already
    return np.where(lost, np.nan, a), np.where(lost, np.nan, b)


def _chance(logit: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(logit, -500.0, 500.0)))


def _logit(score: Floats) -> Floats:
    inside = np.clip(score, _EDGE, 1.0 - _EDGE)
    return np.log(inside) - np.log1p(-inside)


METRICS = (
    Metric(name="calibration_error", task=BINARY, higher_is_better=False, prepare=_calibration_error, biased=True),
    Metric(name="ece", task=BINARY, higher_is_better=False, prepare=ece, biased=True),
    Metric(name="calibration_slope", task=BINARY, higher_is_better=True, prepare=_slope, goal=1.0),
    Metric(name="calibration_intercept", task=BINARY, higher_is_better=True, prepare=_intercept, goal=0.0),
)
