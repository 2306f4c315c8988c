from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from detent.data import with_labels
from detent.errors import DataError
from detent.records.project import Target

START = datetime(2013, 1, 1, tzinfo=UTC)
BINARY = Target(data="outcomes", column="late", known_at="landed_at", task="binary")
ROWS = pl.DataFrame({"id": [3, 1, 2, 4], "x": [0.3, 0.1, 0.2, 0.4]})


def hour(offset: int) -> datetime:
    return START + timedelta(hours=offset)


def outcomes(*rows: tuple[int, datetime | None, object]) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": [row[0] for row in rows], "landed_at": [row[1] for row in rows], "late": [row[2] for row in rows]}
    )


def test_only_labels_known_by_the_moment_are_given_and_rows_keep_their_order() -> None:
    table = outcomes((1, hour(1), 0), (2, hour(2), 1), (3, hour(3), 1), (4, hour(9), 0))
    labelled = with_labels(ROWS, table, target=BINARY, key="id", as_of=hour(3))
    assert labelled.frame.rows() == [(3, 0.3, 1), (1, 0.1, 0), (2, 0.2, 1)]
    assert labelled.frame.schema["late"] == pl.Int8
    assert (labelled.unknown, labelled.nulls) == (1, 0)
    assert with_labels(ROWS, table, target=BINARY, key="id", as_of=None).frame.height == 4


def test_a_label_that_is_null_or_never_known_is_left_out_and_counted() -> None:
    table = outcomes((1, hour(1), 0), (2, hour(2), 1), (3, hour(3), None), (4, None, 1))
    labelled = with_labels(ROWS, table, target=BINARY, key="id", as_of=hour(5))
    assert labelled.frame["id"].to_list() == [1, 2]
    assert (labelled.unknown, labelled.nulls) == (1, 1)


def test_a_correction_counts_from_the_moment_it_was_known() -> None:
    table = outcomes((1, hour(1), 0), (1, hour(4), 1), (2, hour(2), 0), (3, hour(2), 1), (3, hour(2), 0))
    labelled = with_labels(ROWS, table, target=BINARY, key="id", as_of=hour(4)).frame
    assert dict(labelled.select("id", "late").rows()) == {1: 1, 2: 0, 3: 0}
    with pytest.raises(DataError, match="all 3 labels are equal"):  # before the correction all are 0
        with_labels(ROWS, table, target=BINARY, key="id", as_of=hour(3))


def test_the_same_dataset_may_hold_the_label() -> None:
    table = ROWS.with_columns(late=pl.Series([True, False, True, None]), landed_at=pl.lit(START))
    labelled = with_labels(table.drop("landed_at"), table, target=BINARY, key="id", as_of=START)
    assert labelled.frame.columns == ["id", "x", "late"]
    assert labelled.frame["late"].to_list() == [1, 0, 1]


def test_without_known_at_the_time_column_of_the_dataset_counts_or_the_label_is_always_known() -> None:
    target = Target(data="outcomes", column="late", known_at=None, task="binary")
    table = outcomes((1, hour(1), 0), (2, hour(9), 1), (3, hour(1), 1))
    assert with_labels(ROWS, table, target=target, key="id", as_of=hour(2), time="landed_at").frame.height == 2
    assert with_labels(ROWS, table, target=target, key="id", as_of=hour(2)).frame.height == 3


def test_a_regression_label_is_a_finite_number() -> None:
    target = Target(data="outcomes", column="late", known_at="landed_at", task="regression")
    table = outcomes((1, hour(1), 1.5), (2, hour(1), float("nan")), (3, hour(1), -2.0))
    labelled = with_labels(ROWS, table, target=target, key="id", as_of=None)
    assert labelled.frame["late"].to_list() == [-2.0, 1.5]
    assert labelled.nulls == 1
    with pytest.raises(DataError, match="not finite"):
        with_labels(ROWS, outcomes((1, hour(1), float("inf"))), target=target, key="id", as_of=None)


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (outcomes((1, hour(1), 2), (2, hour(1), 0)), "1 labels of `outcomes` are not 0 or 1"),
        (outcomes((1, hour(1), "1"), (2, hour(1), "0")), "is String"),
        (outcomes((1, hour(1), 1), (2, hour(1), 1)), "all 2 labels are equal"),
        (outcomes((9, hour(1), 1)), "no row has a label yet"),
        (outcomes((1, hour(8), 1)), "no row has a label yet"),
        (outcomes((1, hour(1), 1)).rename({"late": "delayed"}), "column `late` is not in"),
        (outcomes((1, hour(1), 1)).with_columns(pl.col("id").cast(pl.String)), "key `id` is Int64 in the rows"),
        (outcomes((1, hour(1), 1)).with_columns(landed_at=pl.lit(5)), "holds no times"),
    ],
)
def test_unusable_labels_are_refused(table: pl.DataFrame, match: str) -> None:
    with pytest.raises(DataError, match=match):
        with_labels(ROWS, table, target=BINARY, key="id", as_of=hour(5))
