"""Datasets -> features, by the one function that serves training and requests alike.

In: frames by dataset name, the project's function. Out: one row of features per row to predict, in order.
It knows nothing about labels, models or where the frames came from.
"""

from detent.features.build import build_features
from detent.features.latest import latest_known

__all__ = ["build_features", "latest_known"]
