"""A worker whose models take a while: `entry_slow.py --seconds=0.02 SETTINGS`. All but the model is the real thing."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detent.bundle.load import load
from detent.bundle.protocol import Predictor
from detent.records.signature import Signature
from detent.serving.models import admission
from detent.serving.workers.settings import from_argument
from detent.serving.workers.worker import main


class Slow:
    """A model that sleeps before it answers, as one that computes outside of Python would."""

    def __init__(self, model: Predictor, seconds: float) -> None:
        self._model, self._seconds = model, seconds

    @property
    def signature(self) -> Signature:
        return self._model.signature

    def predict(self, columns: Mapping[str, Sequence[object]]) -> NDArray[np.float64]:
        time.sleep(self._seconds)
        return self._model.predict(columns)


if __name__ == "__main__":
    wait = float(sys.argv[1].partition("=")[2])

    def slow(folder: Path, *_: object) -> Slow:
        return Slow(load(folder), wait)

    admission.load = slow  # type: ignore[assignment]
    main(from_argument(sys.argv[2]))
