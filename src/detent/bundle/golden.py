"""Golden rows: inputs and the scores they must give, so that another machine can prove it runs the same model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from detent.bundle import codec
from detent.bundle.protocol import Golden, Predictor
from detent.errors import Place, TamperedError

MAX_ROWS = 64

__all__ = ["MAX_ROWS", "Golden", "difference", "replay"]


def replay(folder: Path, predictor: Predictor) -> float:
    """Return the largest absolute difference between the stored scores and what `predictor` says now.

    A score that is NaN on one side only counts as infinite.

    Raises:
        TamperedError: `golden.json` is missing or damaged.
        PredictionError: the model raised.
    """
    path = folder / "golden.json"
    try:
        golden = codec.golden_from_json(path.read_bytes())
    except FileNotFoundError as error:
        raise TamperedError(
            what="the bundle has no golden rows",
            why="a server may only load a model after it has reproduced known scores",
            fix="take the bundle from the run that made it",
            where=Place(file=str(path)),
        ) from error
    return difference(golden, predictor)


def difference(golden: Golden, predictor: Predictor) -> float:
    """Return the largest absolute difference of scores; see `replay`."""
    if not golden.scores:
        return 0.0
    given = predictor.predict(golden.rows)
    unknown = np.full(given.shape[1:], np.nan)
    stored = np.array([unknown if score is None else score for score in golden.scores], dtype=np.float64)
    gaps = np.abs(stored - given)
    gaps[np.isnan(stored) & np.isnan(given)] = 0.0
    return float(np.nan_to_num(gaps, nan=np.inf, posinf=np.inf).max())
