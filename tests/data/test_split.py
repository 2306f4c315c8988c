from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.data import split_by_time
from detent.errors import DataError

START = datetime(2013, 1, 1, tzinfo=UTC)


def days(*offsets: float) -> pl.DataFrame:
    return pl.DataFrame({"row": range(len(offsets)), "at": [START + timedelta(days=offset) for offset in offsets]})


def test_the_last_days_are_for_evaluation_and_the_days_before_for_training() -> None:
    split = split_by_time(days(0, 5, 1, 3, 2, 4), time="at", evaluate_days=2, train_days=2)
    assert split.evaluation["row"].to_list() == [1, 5]  # days 5 and 4; day 3 lies on the border
    assert split.train["row"].to_list() == [3, 4]  # days 3 and 2; day 1 is too old
    assert split_by_time(days(0, 5, 1, 3, 2, 4), time="at", evaluate_days=2).train.height == 4


@given(st.lists(st.integers(0, 60), min_size=2, max_size=40), st.floats(0.1, 30), st.none() | st.floats(0.1, 30))
def test_every_evaluation_row_is_later_than_every_training_row(
    offsets: list[int], evaluate: float, train: float | None
) -> None:
    frame = days(*offsets)
    try:
        split = split_by_time(frame, time="at", evaluate_days=evaluate, train_days=train)
    except DataError:
        return
    assert split.train["at"].max() < split.evaluation["at"].min()
    if train is None:
        assert split.train.height + split.evaluation.height == frame.height


@pytest.mark.parametrize(
    ("frame", "time", "evaluate", "train", "match"),
    [
        (days(0, 1), "att", 1, None, "no column"),
        (pl.DataFrame({"at": [1, 2]}), "at", 1, None, "can't split"),
        (pl.DataFrame({"at": [START, None]}), "at", 1, None, "can't split"),
        (days(0, 1).clear(), "at", 1, None, "can't split"),
        (days(0, 1), "at", 5, None, "no training rows"),
        (days(0, 10), "at", 5, 1, "no training rows"),
        (days(0, 1), "at", 0, None, "positive"),
        (days(0, 1), "at", 1, -1, "positive"),
    ],
)
def test_an_impossible_split_is_refused(
    frame: pl.DataFrame, time: str, evaluate: float, train: float | None, match: str
) -> None:
    with pytest.raises(DataError, match=match):
        split_by_time(frame, time=time, evaluate_days=evaluate, train_days=train)
