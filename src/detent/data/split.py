"""Past rows for training, later rows for evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from detent.errors import DataError, did_you_mean


@dataclass(frozen=True)
class Split:
    """Two sets of rows; every evaluation row is later than every training row."""

    train: pl.DataFrame
    evaluation: pl.DataFrame


def split_by_time(frame: pl.DataFrame, *, time: str, evaluate_days: float, train_days: float | None = None) -> Split:
    """Put the last `evaluate_days` into `evaluation` and the rows before (the last `train_days` of these) into `train`.

    Days are 24 hours, counted back from the newest time. A row exactly on the border belongs to the earlier set. Rows
    keep their order.

    Raises:
        DataError: there is no such time column, it holds nulls or no datetimes, a length is not positive, or one of the
            two sets would be empty.
    """
    _check(frame, time, evaluate_days, train_days)
    newest = frame[time].max()
    border = newest - timedelta(days=evaluate_days)  # pyright: ignore[reportOperatorIssue]  (a datetime: checked)
    past = pl.col(time) <= border
    recent = past if train_days is None else past & (pl.col(time) > border - timedelta(days=train_days))
    split = Split(train=frame.filter(recent), evaluation=frame.filter(~past))
    for name, part in (("training", split.train), ("evaluation", split.evaluation)):
        if part.height == 0:
            raise DataError(
                what=f"the split leaves no {name} rows",
                why=f"`{time}` runs from {frame[time].min()} to {newest}; evaluation begins after {border}",
                fix="use fewer evaluate_days or more train_days, or bring more history",
            )
    return split


def _check(frame: pl.DataFrame, time: str, evaluate_days: float, train_days: float | None) -> None:
    if time not in frame.columns:
        raise DataError(
            what=f"there is no column `{time}` to split by",
            why="split_by_time needs the time of each row",
            fix=did_you_mean(time, frame.columns),
        )
    if not isinstance(frame.schema[time], pl.Datetime) or frame[time].null_count() or frame.height == 0:
        raise DataError(
            what=f"`{time}` can't split the rows",
            why=f"its type is {frame.schema[time]}, with {frame[time].null_count():,} nulls in {frame.height:,} rows",
            fix="give a datetime column without nulls and at least one row",
        )
    if evaluate_days <= 0 or (train_days is not None and train_days <= 0):
        raise DataError(
            what="a split needs positive lengths",
            why=f"evaluate_days is {evaluate_days} and train_days is {train_days}",
            fix="give a number of days above 0",
        )
