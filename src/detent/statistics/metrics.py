"""Every quality metric by name: how well scores agree with labels."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from detent.statistics import calibration, metrics_binary, metrics_lists, metrics_regression
from detent.statistics.metric import BINARY, REGRESSION, Floats, Metric, Resampler, UndefinedMetricError, checked

__all__ = ["BINARY", "METRICS", "REGRESSION", "Floats", "Metric", "Resampler", "UndefinedMetricError", "checked"]

_ALL = (*metrics_binary.METRICS, *calibration.METRICS, *metrics_regression.METRICS, *metrics_lists.METRICS)
METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
