from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import polars as pl
import pytest

from detent.predictions.frames import to_frame
from detent.predictions.join import Coverage, coverage, join
from detent.predictions.labels import Arrivals, LabelCounts, Revision, arrivals, count, labels_of, record, revisions
from detent.records.prediction import Label
from detent.store.clock import iso
from detent.store.database import Database, open_database
from detent.store.migrate import migrate

from .builders import START, hours, payload


@pytest.fixture
def labels_db(tmp_path: Path) -> Database:
    db = open_database(tmp_path / "labels.db")
    migrate(db, ["detent.predictions"])
    return db


def label(number: int, value: float, after: float = 0.0) -> Label:
    return Label(prediction_id=f"{number:040x}", value=value, at=iso(START + hours(after)))


def put(db: Database, *labels: Label) -> LabelCounts:
    with db.transaction() as tx:
        return record(tx, labels)


def counts(new: int, duplicate: int, corrected: int) -> LabelCounts:
    return LabelCounts(new=new, duplicate=duplicate, corrected=corrected)


def test_labels_are_idempotent_and_corrections_keep_their_history(labels_db: Database) -> None:
    assert put(labels_db, label(1, 1.0), label(2, 0.0)) == counts(2, 0, 0)
    assert put(labels_db, label(1, 1.0, 1), label(2, 0.0, 1), label(3, 1.0, 1)) == counts(1, 2, 0)
    assert put(labels_db, label(1, 0.0, 2)) == counts(0, 0, 1)
    assert put(labels_db, label(1, 1.0, 3)) == counts(0, 0, 1)
    assert revisions(labels_db, label(1, 0).prediction_id) == [
        Revision(revision=0, value=1.0, at=iso(START)),
        Revision(revision=1, value=0.0, at=iso(START + hours(2))),
        Revision(revision=2, value=1.0, at=iso(START + hours(3))),
    ]
    assert count(labels_db) == 3


def test_of_two_labels_in_one_batch_the_later_one_counts(labels_db: Database) -> None:
    assert put(labels_db, label(1, 1.0), label(1, 1.0), label(1, 0.0)) == counts(1, 1, 1)
    assert labels_of(labels_db, pl.Series([label(1, 0).prediction_id]))["label"].to_list() == [0.0]


def test_the_value_with_the_latest_time_counts_in_whichever_order_labels_come(labels_db: Database) -> None:
    told = [(1.0, 1), (0.0, 2), (1.0, 3), (0.0, 4)]
    for number, order in enumerate(permutations(told)):
        put(labels_db, *(label(number, value, hour) for value, hour in order))
    frame = labels_of(labels_db, pl.Series([label(0, 0).prediction_id, label(23, 0).prediction_id]))
    assert frame["label"].to_list() == [0.0] * 24


def test_an_older_value_is_stale_and_what_was_said_again_later_stays(labels_db: Database) -> None:
    assert put(labels_db, label(1, 1.0, 5)) == counts(1, 0, 0)
    assert put(labels_db, label(1, 0.0, 3)) == LabelCounts(stale=1)
    assert put(labels_db, label(1, 1.0, 9)) == counts(0, 1, 0)
    assert put(labels_db, label(1, 0.0, 7)) == LabelCounts(stale=1)
    assert [revision.value for revision in revisions(labels_db, label(1, 0).prediction_id)] == [1.0]


def test_a_correction_is_known_from_its_arrival_on_and_its_delay_is_that_of_the_first_value(
    labels_db: Database,
) -> None:
    put(labels_db, label(1, 1.0, 1), replace(label(1, 0.0, 2), arrived=iso(START + hours(6))))
    found = labels_of(labels_db, pl.Series([label(1, 0).prediction_id])).row(0, named=True)
    assert (found["label_at"], found["label_arrived"]) == (START + hours(2), START + hours(6))
    assert found["label_first"] == START + hours(1)
    id_ = label(1, 0).prediction_id
    assert arrivals(labels_db, id_, id_, since=START + hours(2), until=START + hours(6)) == Arrivals(
        labels=1, corrections=1
    )
    assert arrivals(labels_db, id_, id_, since=START + hours(6), until=START + hours(9)) == Arrivals(
        labels=0, corrections=0
    )


def test_an_interrupted_batch_leaves_nothing(labels_db: Database) -> None:
    def interrupted() -> None:
        with labels_db.transaction() as tx:
            record(tx, [label(1, 1.0), label(2, 1.0)])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert count(labels_db) == 0
    assert revisions(labels_db, label(1, 0).prediction_id) == []


def predictions(ages: Sequence[float]) -> pl.DataFrame:
    return to_frame(payload(number, START + hours(-age)) for number, age in enumerate(ages))


def test_every_prediction_stays_and_gets_its_label(labels_db: Database) -> None:
    put(labels_db, label(1, 1.0), label(3, 0.0), label(99, 1.0))
    frame = predictions([0, 0, 0, 0])
    joined = join(frame, labels_of(labels_db, frame["id"]))
    assert joined["id"].to_list() == frame["id"].to_list()
    assert joined["label"].to_list() == [None, 1.0, None, 0.0]
    assert joined["label_at"].to_list()[1] == START
    assert joined["matured"].to_list() == [True] * 4
    assert coverage(joined) == Coverage(rows=4, labelled=2, matured=4, matured_labelled=2)
    assert coverage(joined).share == 0.5


def test_a_shadow_row_gets_the_label_of_its_prediction(labels_db: Database) -> None:
    put(labels_db, label(1, 1.0))
    frame = to_frame([payload(1), payload(1, arm="shadow", version=2)])
    assert join(frame, labels_of(labels_db, frame["id"]))["label"].to_list() == [1.0, 1.0]


def test_only_labels_known_by_now_count_and_only_old_rows_are_matured(labels_db: Database) -> None:
    put(labels_db, label(0, 1.0, -1), label(1, 1.0, 1), label(2, 0.0, 0))
    frame = predictions([30, 24, 23])
    joined = join(frame, labels_of(labels_db, frame["id"]), now=START, labels_within=timedelta(days=1))
    assert joined["label"].to_list() == [1.0, None, 0.0]
    assert joined["matured"].to_list() == [True, True, False]
    assert coverage(joined) == Coverage(rows=3, labelled=2, matured=2, matured_labelled=1)


def test_nothing_matured_means_nothing_is_missing(labels_db: Database) -> None:
    frame = predictions([0, 0])
    joined = join(frame, labels_of(labels_db, frame["id"]), now=START, labels_within=timedelta(days=1))
    assert coverage(joined).share == 1.0
    empty = join(frame.clear(), labels_of(labels_db, frame.clear()["id"]), now=START)
    assert coverage(empty) == Coverage(rows=0, labelled=0, matured=0, matured_labelled=0)
