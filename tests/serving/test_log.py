from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from detent.errors import StoreError
from detent.predictions import places as folders
from detent.predictions.read import read
from detent.predictions.seal import seal
from detent.records.log import LogPlan
from detent.records.signature import Field, Signature
from detent.serving import places
from detent.serving.counts.counters import Counters
from detent.serving.logs.log import PredictionLog
from detent.serving.logs.room import FINE, FULL, NEARLY_FULL
from detent.serving.predict.logged import microseconds
from detent.serving.rows.validate import RowReader
from detent.store.turns import LogRow

from .conftest import until

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
READER = RowReader(Signature(inputs=(Field(name="x", kind="string", nullable=True),), output="value"))
Start = Callable[..., PredictionLog]


@pytest.fixture
def counters(tmp_path: Path) -> Iterator[Counters]:
    counters = Counters(places.counter_files(tmp_path), 0)
    yield counters
    counters.close()


@pytest.fixture
def start(tmp_path: Path, counters: Counters) -> Iterator[Start]:
    """A function that starts a log; keywords that are fields of the plan go there."""
    running: list[PredictionLog] = []

    def begin(owner: str = "w0", segment_bytes: int = 1 << 20, **plan: Any) -> PredictionLog:
        log = PredictionLog(
            places.segments(tmp_path), owner, plan=LogPlan(**plan), key=bytes(range(32)), counters=counters,
            segment_bytes=segment_bytes,
        )  # fmt: skip
        running.append(log)
        return log

    yield begin
    for log in running:
        log.close()


def row(log: PredictionLog, id_: str, at: datetime = NOON, x: str = "1") -> LogRow:
    shape = log.shapes.of(READER)
    values = (x,) if shape.mask is None else shape.mask((x,))
    number = shape.number
    return LogRow(id_, microseconds(at), "e", 1, 1, 1, "live", 1.0, "", number, values, 0.5, "", 0.0, "")


def sealed(state: Path) -> list[Path]:
    return list(places.segments(state).glob("*.sealed"))


def test_a_row_can_be_read_as_soon_as_it_was_appended(tmp_path: Path, start: Start) -> None:
    log = start()
    assert log.append([row(log, "a"), row(log, "b")], NOON)
    assert read(tmp_path)["id"].to_list() == ["a", "b"]


def test_a_segment_ends_with_its_day(tmp_path: Path, start: Start) -> None:
    log = start()
    log.append([row(log, "a")], NOON)
    log.append([row(log, "b", NOON + DAY)], NOON + DAY)
    until(lambda: read(tmp_path, include_open=False)["id"].to_list() == ["a"])
    log.turn(NOON + DAY)
    log.turn(NOON + 2 * DAY)
    until(lambda: read(tmp_path, include_open=False)["id"].to_list() == ["a", "b"])
    log.turn(NOON + 3 * DAY)
    assert len(sealed(tmp_path)) == 2


@pytest.mark.parametrize(
    "steps",
    [
        [12, 12.01, -12, 12.02, 36, 12.03, 12.04, 36.1],  # hours after noon: over midnight and back, again and again
        [0, 24 * 400, 0.1, 24, 24.1],  # a wrong year, then the right one
        [0, -24 * 400, 0.1, 0.2],
    ],
)
def test_clock_steps_lose_and_double_nothing(tmp_path: Path, start: Start, steps: list[float]) -> None:
    log = start()
    for number, hours in enumerate(steps):
        at = NOON + timedelta(hours=hours)
        log.append([row(log, f"{number}", at)], at)
        log.turn(at)
    wanted = sorted(str(number) for number in range(len(steps)))
    assert sorted(read(tmp_path)["id"]) == wanted
    log.close()
    seal(folders.segments(tmp_path), folders.parquet(tmp_path))
    assert sorted(read(tmp_path)["id"]) == wanted
    days = {(NOON + timedelta(hours=hours)).date() for hours in steps}
    assert {path.name for path in folders.parquet(tmp_path).iterdir()} == {f"date={day}" for day in days}


def test_shadows_that_come_late_over_midnight_do_not_end_a_segment_each_time(tmp_path: Path, start: Start) -> None:
    log = start()
    for number in range(10):
        late = NOON + DAY / 2 - timedelta(seconds=1) if number % 2 else NOON + DAY / 2
        log.append([row(log, f"{number}", late)], late)
    assert len(list(places.segments(tmp_path).glob("w0-*"))) == 1


def test_a_log_that_can_not_be_written_says_so_and_goes_on_later(tmp_path: Path, start: Start) -> None:
    folder, log = places.segments(tmp_path), start()
    folder.rmdir()
    folder.write_text("in the way")
    with pytest.raises(StoreError, match=os.strerror(errno.ENOTDIR)):
        log.append([row(log, "a")], NOON)
    folder.unlink()
    folder.mkdir()
    log.append([row(log, "b")], NOON)
    assert read(tmp_path)["id"].to_list() == ["b"]


def test_a_full_log_drops_rows_and_counts_them_until_segments_are_moved(
    tmp_path: Path, start: Start, counters: Counters
) -> None:
    log, written = start(max_bytes=100_000, segment_bytes=10_000), 0
    assert counters.get("log_level") == FINE
    while log.append([row(log, f"{written}", x="x" * 1000)], NOON):
        written += 1
        assert written < 1000
    assert 90 <= written <= 97
    until(lambda: len(list(places.segments(tmp_path).glob("*.open"))) <= 1)  # the full ones are renamed by a thread
    size = sum(path.stat().st_size for path in places.segments(tmp_path).iterdir())
    assert size <= 100_000
    assert not log.append([row(log, "no"), row(log, "neither")], NOON)
    assert counters.get("log_dropped") == 3
    assert counters.get("log_level") == FULL
    assert counters.get("log_bytes") == size
    assert not log.refuses
    until(lambda: len(sealed(tmp_path)) > 5)
    seal(folders.segments(tmp_path), folders.parquet(tmp_path))
    until(lambda: counters.get("log_level") == FINE)
    assert log.append([row(log, "again")], NOON)
    ids = read(tmp_path)["id"].to_list()
    assert len(ids) == written + 1
    assert "again" in ids


def test_the_bound_is_shared_and_a_warning_comes_before_it(tmp_path: Path, start: Start, counters: Counters) -> None:
    one, other = (start(owner, max_bytes=100_000, sync=timedelta(hours=1)) for owner in ("w0", "w1"))
    for number in range(82):
        assert one.append([row(one, f"{number}", x="x" * 1000)], NOON)
    assert counters.get("log_level") == NEARLY_FULL
    more = 0
    while other.append([row(other, f"more-{more}", x="x" * 1000)], NOON):
        more += 1
        assert more < 1000
    assert more < 16  # w0 has most of it
    assert not one.append([row(one, "no", x="x" * 10_000)], NOON)


def test_an_audited_log_that_is_full_refuses(start: Start, counters: Counters) -> None:
    log = start(mode="audit", max_bytes=70_000)
    assert not log.refuses
    with pytest.raises(StoreError, match="the prediction log is full"):
        for number in range(200):
            log.append([row(log, f"{number}", x="x" * 1000)], NOON)
    assert log.refuses
    assert counters.get("log_dropped") == 1


def test_whoever_waits_is_told_after_the_disk_has_it_and_those_who_come_meanwhile_share_the_next_sync(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, syncs, told, gate = start(mode="audit", sync=timedelta(hours=1)), [], list[str](), threading.Semaphore(0)

    def fdatasync(descriptor: int) -> None:
        syncs.append(descriptor)
        gate.acquire(timeout=30.0)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    log.append([row(log, "a")], NOON)
    log.after_sync(told.append)
    until(lambda: syncs)
    for number in range(5):
        log.append([row(log, f"{number}")], NOON)
        log.after_sync(told.append)
    assert told == []
    gate.release()
    until(lambda: len(told) == 1 and len(syncs) == 2)
    gate.release()
    until(lambda: len(told) == 6)
    assert len(syncs) == 2
    assert told == [""] * 6


def test_a_sync_that_fails_is_told_and_counted(
    start: Start, counters: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, told = start(mode="audit"), list[str]()

    def fdatasync(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    log.append([row(log, "a")], NOON)
    log.after_sync(told.append)
    until(lambda: told)
    assert "Input/output error" in told[0]
    assert counters.get("log_sync_failures") >= 1


def test_without_anybody_waiting_rows_reach_the_disk_after_a_while(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    monkeypatch.setattr(os, "fdatasync", syncs.append)
    log = start(sync=timedelta(milliseconds=5))
    log.append([row(log, "a")], NOON)
    until(lambda: syncs)
    count = len(syncs)
    ticks = threading.Event()
    log.after_sync(lambda _: ticks.set())
    until(ticks.is_set)
    assert len(syncs) == count == 1  # nothing new was written, so nothing is synced


def test_a_sample_is_chosen_by_the_id_alone(start: Start) -> None:
    one, other = start("w0", mode="sample", sample=0.25), start("w1", mode="sample", sample=0.25)
    ids = [f"{number * 2654435761 % 2**32:040x}" for number in range(4000)]
    chosen = [id_ for id_ in ids if one.wants(id_)]
    assert 900 < len(chosen) < 1100
    assert chosen == [id_ for id_ in ids if other.wants(id_)]
    nothing = start("w2", mode="off")
    assert not any(nothing.wants(id_) for id_ in ids)


def test_a_text_that_makes_a_row_too_large_is_cut_and_says_so(tmp_path: Path, start: Start) -> None:
    log = start()
    log.append([row(log, "a", x="é" * 9000), row(log, "b", x="short"), row(log, "c", x="y" * 9000)], NOON)
    inputs = dict(read(tmp_path).select("id", "inputs").iter_rows())
    assert inputs["a"] == f'{{"x":{{"cut":"{"é" * 256}","characters":9000}}}}'
    assert inputs["b"] == '{"x":"short"}'
    assert inputs["c"] == f'{{"x":"{"y" * 9000}"}}'  # below 16 KiB


def test_hashed_values_are_equal_when_the_values_are_and_dropped_ones_are_nowhere(tmp_path: Path, start: Start) -> None:
    log = start(fields=(("x", "hash"),))
    log.append([row(log, "a", x="123-45"), row(log, "b", x="123-45"), row(log, "c", x="678-90")], NOON)
    one, same, other = read(tmp_path)["inputs"]
    assert one == same != other
    assert log.shapes.entity("x", "123-45") in one
    assert log.shapes.entity("y", "123-45") == "123-45"
    gone = start("w1", fields=(("x", "drop"),))
    gone.append([row(gone, "d", x="123-45")], NOON)
    assert read(tmp_path).filter(id="d")["inputs"].item() == "{}"
    assert gone.shapes.entity("x", "123-45") == ""
    assert all(b"123-45" not in path.read_bytes() for path in places.segments(tmp_path).iterdir())
