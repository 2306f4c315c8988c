from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from detent.errors import StoreError
from detent.serving.identifiers import PredictionIds, load_or_create_key, of_probability

KEY = b"k" * 32


def test_ids_are_unique_over_workers_restarts_and_a_clock_that_stands_still(now: datetime) -> None:
    minted = [
        id_
        for slot in (0, 1)
        for start in (1, 2)
        for id_ in PredictionIds(KEY, slot=slot, start=start).mint(now, 500, probability=True)
    ]
    assert len(set(minted)) == 2_000


def test_ids_sort_by_time() -> None:
    ids = PredictionIds(KEY, slot=3, start=1)
    moments = [datetime(2013, 1, 1, tzinfo=UTC) + timedelta(days=40 * number) for number in range(100)]
    minted = [ids.mint(moment, 1, probability=False)[0] for moment in moments]
    assert minted == sorted(minted)


def test_ids_count_without_a_gap_however_time_goes_on_and_many_are_asked_for(now: datetime) -> None:
    ids, minted = PredictionIds(KEY, slot=3, start=1), []
    for number in range(300):
        moment = now + timedelta(microseconds=300 * (number // 2))
        minted += ids.mint(moment, number % 5, probability=number % 7 == 0)
    assert [int(id_[20:28], 16) for id_ in minted] == list(range(len(minted)))
    assert all(map(ids.genuine, minted))


def test_an_id_of_any_worker_is_known_and_a_changed_one_is_not(now: datetime) -> None:
    (minted,) = PredictionIds(KEY, slot=0, start=1).mint(now, 1, probability=True)
    other = PredictionIds(KEY, slot=1, start=9)
    assert other.genuine(minted)
    for place in range(len(minted)):
        digit = "0" if minted[place] != "0" else "1"
        assert not other.genuine(minted[:place] + digit + minted[place + 1 :])
    for forged in ("", "x", minted.upper(), minted + "0", minted[:-1], "é" * 40, "0" * 40):
        assert not other.genuine(forged)
    assert not PredictionIds(b"z" * 32, slot=0, start=1).genuine(minted)


def test_an_id_says_whether_its_label_is_zero_or_one(now: datetime) -> None:
    ids = PredictionIds(KEY, slot=0, start=1)
    assert of_probability(ids.mint(now, 1, probability=True)[0])
    assert not of_probability(ids.mint(now, 1, probability=False)[0])


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "predictions.key"
    key = load_or_create_key(path)
    assert load_or_create_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_race_for_the_key_end_up_with_one(tmp_path: Path) -> None:
    path = tmp_path / "predictions.key"
    children = []
    for number in range(6):
        child = os.fork()
        if child == 0:
            (tmp_path / f"seen-{number}").write_bytes(load_or_create_key(path))
            os._exit(0)
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    assert {seen.read_bytes() for seen in tmp_path.glob("seen-*")} == {path.read_bytes()}


def test_a_damaged_key_is_not_replaced_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "predictions.key"
    path.write_bytes(b"short")
    with pytest.raises(StoreError, match="damaged"):
        load_or_create_key(path)
