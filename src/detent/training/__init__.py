"""Vectors to a model: features and labels in, one exported graph with all its preprocessing out.

In: a Polars frame with features and a label. Out: a `Model` (ONNX bytes, signature, reference profile, golden rows).
This room knows estimators and graphs; it knows nothing about gates, versions or servers.
"""

from detent.training.fit import lightgbm, sklearn
from detent.training.model import Model

__all__ = ["Model", "lightgbm", "sklearn"]
