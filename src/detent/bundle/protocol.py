"""What every predictor does, whatever runs the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detent.errors import DetentError
from detent.records.signature import Signature


class PredictionError(DetentError):
    """The model itself failed on rows that fit its signature."""

    code = "prediction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A few rows, by column, and the exported model's score of each."""

    rows: Mapping[str, tuple[bool | int | float | str | None, ...]]  # column -> values; None is null
    scores: tuple[float | tuple[float, ...] | None, ...]  # of several classes one per class; None: the model says NaN


class Predictor(Protocol):
    """Runs one model. It holds no state between calls, so several threads may call `predict` at once."""

    @property
    def signature(self) -> Signature:
        """Inputs in order and the meaning of the score."""
        ...

    @classmethod
    def open(cls, folder: Path, signature: Signature) -> Predictor:
        """Load the model of a verified bundle.

        Raises:
            RefusedError: the model file holds what this predictor does not run.
        """
        ...

    def predict(self, columns: Mapping[str, Sequence[object]]) -> NDArray[np.float64]:
        """Return one score per row, in order; a score can be NaN when the model says so.

        Of several classes the shape is (rows, classes), in the order of the signature's.

        `columns` maps every input name to its values (lists, NumPy arrays or Polars series of one length). A nullable
        column may be missing; None and NaN are null. More columns than the signature names are ignored.

        Raises:
            DataError: a required column is missing, lengths differ, or a value has the wrong type.
            PredictionError: the model raised.
        """
        ...
