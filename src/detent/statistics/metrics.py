"""Every quality metric by name: how well scores agree with labels."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from detent.statistics import calibration, metrics_binary, metrics_classes, metrics_lists, metrics_regression
from detent.statistics.metric import (
    BINARY,
    CLASSES,
    REGRESSION,
    Floats,
    Metric,
    Resampler,
    UndefinedMetricError,
    checked,
)

__all__ = [
    "BINARY",
    "CLASSES",
    "METRICS",
    "REGRESSION",
    "Floats",
    "Metric",
    "Resampler",
    "UndefinedMetricError",
    "checked",
    "metrics_of",
    "named",
]

_ALL = (*metrics_binary.METRICS, *calibration.METRICS, *metrics_regression.METRICS, *metrics_lists.METRICS)
METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
"""Of one score per row."""

_OF_CLASSES: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in metrics_classes.METRICS})


def named(name: str) -> Metric | None:
    """Return a metric of any task by its name, to be asked which way is better: no name has two ways."""
    return METRICS.get(name) or _OF_CLASSES.get(name)


def metrics_of(task: str) -> Mapping[str, Metric]:
    """Return the metrics that fit a task, by name; "accuracy" is another one for two classes than for several."""
    if task == CLASSES:
        return _OF_CLASSES
    return {name: metric for name, metric in METRICS.items() if metric.fits(task)}
