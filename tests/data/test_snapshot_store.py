from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from detent.data import store
from detent.data.parts import take_snapshot
from detent.errors import DataError
from detent.store.blobs import Blobs
from detent.store.database import Database
from detent.store.migrate import migrate

DAY = datetime(2013, 1, 2, tzinfo=UTC)


def test_a_snapshot_comes_back_with_its_lineage_and_every_cut_is_in_the_history(
    db: Database, blobs: Blobs, now: datetime
) -> None:
    migrate(db, ["detent.data"])
    frame = pl.DataFrame({"id": [1, 2], "at": [DAY, DAY]})
    first = take_snapshot(frame, dataset="flights", source="data/f.csv", as_of=DAY, blobs=blobs)
    later = take_snapshot(frame, dataset="flights", source="data/f.csv", as_of=DAY + timedelta(days=1), blobs=blobs)
    more = take_snapshot(pl.concat([frame, frame]), dataset="flights", source="data/f.csv", as_of=None, blobs=blobs)
    assert first.id == later.id != more.id
    for minute, snapshot in enumerate((first, later, more, first)):
        with db.transaction() as tx:
            store.save(tx, snapshot, now + timedelta(minutes=minute))
    history = store.history(db, "flights")
    assert [entry.snapshot for entry in history] == [more, later, first]
    assert history[2].created == "2013-03-01T12:00:00.000000+00:00"  # saved again: the first time stays
    assert store.load(db, more.id) == more
    assert store.load(db, first.id) == later
    assert store.history(db, "none") == []


def test_the_id_does_not_depend_on_how_the_frame_was_put_together(blobs: Blobs) -> None:
    frame = pl.DataFrame({"id": range(10_000), "x": ["a", "b"] * 5_000})
    pieces = pl.concat([frame[:7], frame[7:50], frame[50:]], rechunk=False)
    assert pieces.n_chunks() == 3
    ids = {take_snapshot(one, dataset="x", source="x", as_of=None, blobs=blobs).id for one in (frame, pieces)}
    assert len(ids) == 1


def test_an_unknown_snapshot_is_an_error(db: Database) -> None:
    migrate(db, ["detent.data"])
    with pytest.raises(DataError, match="no snapshot"):
        store.load(db, "0" * 64)


def test_the_id_depends_on_names_types_and_order(blobs: Blobs) -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": [3, 4]})
    variants = [
        frame,
        frame.rename({"a": "c"}),
        frame.select("b", "a"),
        frame.reverse(),
        frame.cast(pl.Float64),
        frame.cast(pl.Int32),
        frame.clear(),
    ]
    ids = {take_snapshot(one, dataset="x", source="x", as_of=None, blobs=blobs).id for one in variants}
    assert len(ids) == len(variants)
    plain = take_snapshot(frame, dataset="x", source="x", as_of=None, blobs=blobs)
    assert replace(plain, dataset="y").id == plain.id
