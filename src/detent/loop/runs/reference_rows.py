"""The rows that a reference is made of: inputs, when they were, and what the model says about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.bundle.protocol import Predictor
from detent.loop.classes import truth_of

_CHUNK = 1_000  # rows of a call: a remote server or a confined process has limits
_DAILY = 86_400 * 1_000_000  # microseconds


class EvaluationRows:
    """The evaluation rows with what the model says about them."""

    def __init__(self, predictor: Predictor, rows: pl.DataFrame, target: str) -> None:
        self.predictor = predictor
        self.inputs = inputs_of(rows, predictor)
        self.score = scored(predictor, self.inputs)
        self.y = truth_of(rows[target], predictor.signature.classes)
        self.known = np.isfinite(self.score.reshape(rows.height, -1)).all(axis=1) & np.isfinite(self.y)  # can be judged

    @property
    def judged(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Labels and scores of the rows that have both."""
        return self.y[self.known], self.score[self.known]


@dataclass(frozen=True, slots=True)
class Clock:
    """When rows were."""

    days: NDArray[np.int64]
    hours: NDArray[np.int64]  # of the week, in UTC


def scored(predictor: Predictor, inputs: pl.DataFrame) -> NDArray[np.float64]:
    """Return one score per row (of several classes one per class), asked in calls that any predictor takes."""
    parts = [predictor.predict(part.to_dict(as_series=False)) for part in inputs.iter_slices(_CHUNK)]
    return np.concatenate(parts).astype(np.float64) if parts else np.empty(0)


def inputs_of(rows: pl.DataFrame, predictor: Predictor) -> pl.DataFrame:
    """Return the model's inputs; a column that the rows lack is all null."""
    names = [field.name for field in predictor.signature.inputs]
    return rows.select(name if name in rows.columns else pl.lit(None).alias(name) for name in names)


def clock_of(rows: pl.DataFrame, time: str | None) -> Clock | None:
    """Return when rows were; None where no column says it of each of them."""
    if time is None or time not in rows.columns or not rows.height or rows[time].null_count():
        return None
    moments = rows[time]
    if not isinstance(moments.dtype, pl.Datetime):
        return None
    days = moments.dt.timestamp("us").to_numpy() // _DAILY
    hours = ((moments.dt.weekday().cast(pl.Int64) - 1) * 24 + moments.dt.hour().cast(pl.Int64)).to_numpy()
    return Clock(days, hours)
