from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path

from detent.predictions import places
from detent.predictions.expire import Expired, expired, remove
from detent.predictions.read import read
from detent.predictions.seal import seal
from detent.store.segments import SegmentWriter

from .builders import START, hours, turn

DAY = timedelta(days=1)
NOW = START + 10 * DAY  # noon of the 11th of July


def write(state: Path) -> None:
    writer = SegmentWriter(places.segments(state), "w0")
    for day in range(10):
        writer.append([turn(day, at=START + hours(24 * day))])
    writer.seal()
    seal(places.segments(state), places.parquet(state))


def left(state: Path) -> list[int]:
    return [int(id_, 16) for id_ in read(state)["id"]]


def test_days_go_as_a_whole_once_their_last_moment_is_too_old(tmp_path: Path) -> None:
    write(tmp_path)
    found = expired(tmp_path, NOW, keep=5 * DAY, needed=DAY)
    assert found.days == tuple(date(2013, 7, day) for day in range(1, 6))
    assert found.bytes > 0
    assert left(tmp_path) == list(range(10))  # nothing is removed by looking
    remove(tmp_path, found)
    assert left(tmp_path) == [5, 6, 7, 8, 9]
    assert expired(tmp_path, NOW, keep=5 * DAY, needed=DAY) == Expired(days=(), torn=(), bytes=0)


def test_a_day_whose_rows_may_wait_for_labels_stays(tmp_path: Path) -> None:
    write(tmp_path)
    assert expired(tmp_path, NOW, keep=DAY, needed=9 * DAY).days == (date(2013, 7, 1),)


def test_torn_bytes_go_when_they_are_as_old(tmp_path: Path) -> None:
    write(tmp_path)
    torn = places.segments(tmp_path) / "w0-00000009.torn"
    torn.write_bytes(b"x")
    moment = (NOW - 3 * DAY).timestamp()
    os.utime(torn, (moment, moment))
    assert expired(tmp_path, NOW, keep=5 * DAY, needed=DAY).torn == ()
    found = expired(tmp_path, NOW, keep=2 * DAY, needed=DAY)
    assert found.torn == (torn,)
    remove(tmp_path, found)
    assert not torn.exists()


def test_a_removal_that_was_killed_is_finished_by_the_next_one(tmp_path: Path) -> None:
    write(tmp_path)
    first = places.day_folder(places.parquet(tmp_path), date(2013, 7, 1))
    first.rename(places.parquet(tmp_path) / f"{places.GOING}2013-07-01")
    assert left(tmp_path) == list(range(1, 10))
    remove(tmp_path, expired(tmp_path, NOW, keep=8 * DAY, needed=DAY))
    assert left(tmp_path) == list(range(2, 10))
    assert not list(places.parquet(tmp_path).glob(f"{places.GOING}*"))
