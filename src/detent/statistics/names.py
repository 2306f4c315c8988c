"""The names of the metrics: a project is checked by them, and NumPy is loaded only where they are computed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_BINARY = (
    "accuracy average_precision brier calibration_error calibration_intercept calibration_slope ece f1 log_loss mcc "
    "precision recall roc_auc"
)
_REGRESSION = (
    "mae mase pinball@0.01 pinball@0.05 pinball@0.1 pinball@0.25 pinball@0.5 pinball@0.75 pinball@0.9 pinball@0.95 "
    "pinball@0.99 r2 rmse smape wape"
)
_CLASSES = (
    "accuracy brier ece f1_macro f1_weighted log_loss mcc precision_macro recall_macro roc_auc_ovr top_2 top_3 top_5"
)
_LISTS = "map mrr ndcg@1 ndcg@3 ndcg@5 ndcg@10 ndcg@20 ndcg@100"

NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "binary": tuple(sorted(f"{_BINARY} {_LISTS}".split())),
    "regression": tuple(sorted(f"{_REGRESSION} {_LISTS}".split())),
    "multiclass": tuple(sorted(_CLASSES.split())),
})  # fmt: skip
"""Task of a model -> names of the metrics that fit it: those of `detent.statistics.metrics.metrics_of`."""
