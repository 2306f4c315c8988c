"""Answers -> rows: the log's segments become Parquet by day, labels arrive late and are joined by prediction id.

In: segments that serving processes wrote, labels. Out: tables of predictions with the truth beside them.
This package knows nothing about HTTP, models or what is done with the rows.
"""

from detent.predictions.frames import expand_inputs
from detent.predictions.join import Coverage, coverage, join
from detent.predictions.labels import LabelCounts, arrivals, labels_of, record, revisions
from detent.predictions.read import read
from detent.predictions.seal import Sealed, seal
from detent.predictions.tails import Tails

__all__ = [
    "Coverage",
    "LabelCounts",
    "Sealed",
    "Tails",
    "arrivals",
    "coverage",
    "expand_inputs",
    "join",
    "labels_of",
    "read",
    "record",
    "revisions",
    "seal",
]
