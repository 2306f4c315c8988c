from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from detent.errors import StoreError
from detent.predictions import places
from detent.predictions.frames import SCHEMA, expand_inputs, to_frame
from detent.predictions.read import read
from detent.predictions.seal import Sealed, seal
from detent.predictions.tails import Tails
from detent.records.signature import Field, Signature
from detent.store.segments import SegmentWriter

from .builders import START, hours, kill, payload, turn

SIGNATURE = Signature(
    inputs=(
        Field(name="temp", kind="number", nullable=True),
        Field(name="hour", kind="integer", nullable=False),
        Field(name="origin", kind="string", nullable=True),
        Field(name="wet", kind="boolean", nullable=False),
    ),
    output="probability",
)


@pytest.fixture
def writer(tmp_path: Path) -> SegmentWriter:
    return SegmentWriter(places.segments(tmp_path), "w0")


def seal_all(state: Path) -> Sealed:
    return seal(places.segments(state), places.parquet(state))


def numbers(frame: pl.DataFrame) -> list[int]:
    return [int(id_, 16) for id_ in frame["id"]]


def test_a_finished_segment_becomes_one_parquet_file_per_day_and_is_removed(
    tmp_path: Path, writer: SegmentWriter
) -> None:
    writer.append([payload(number, START + hours(number)) for number in range(24)])
    writer.seal()
    assert seal_all(tmp_path) == Sealed(segments=1, rows=24)
    files = sorted(path.relative_to(places.parquet(tmp_path)) for path in places.parquet(tmp_path).rglob("*.parquet"))
    assert [str(path) for path in files] == [
        "date=2013-07-01/w0-00000001.parquet",
        "date=2013-07-02/w0-00000001.parquet",
    ]
    assert not list(places.segments(tmp_path).glob("*.sealed"))
    assert numbers(read(tmp_path)) == list(range(24))
    assert seal_all(tmp_path) == Sealed(segments=0, rows=0)


def test_rows_are_typed(tmp_path: Path, writer: SegmentWriter) -> None:
    writer.append([payload(5, version=3, served_by=None, score=None, status="error", error="no")])
    for _ in range(2):
        frame = read(tmp_path)
        assert dict(frame.schema) == SCHEMA
        row = frame.row(0, named=True)
        assert (row["time"], row["version"], row["served_by"], row["score"]) == (START, 3, None, None)
        assert (row["status"], row["error"], row["service_seconds"]) == ("error", "no", 0.001)
        writer.seal()
        seal_all(tmp_path)
    assert dict(read(tmp_path / "nothing").schema) == SCHEMA


def test_live_sealed_and_moved_rows_are_read_once_each_in_order_of_time(tmp_path: Path, writer: SegmentWriter) -> None:
    other = SegmentWriter(places.segments(tmp_path), "w1")
    writer.append([payload(number, START + hours(number)) for number in (0, 3)])
    writer.seal()
    seal_all(tmp_path)
    writer.append([payload(2, START + hours(2))])
    writer.seal()
    other.append([payload(number, START + hours(number)) for number in (4, 1)])
    assert numbers(read(tmp_path)) == [0, 1, 2, 3, 4]
    assert numbers(read(tmp_path, include_open=False)) == [0, 2, 3]
    assert numbers(read(tmp_path, START + hours(1), START + hours(3))) == [1, 2]
    assert numbers(read(tmp_path, START + hours(3))) == [3, 4]
    assert numbers(read(tmp_path, until=START + hours(1))) == [0]


def test_a_window_that_ends_at_midnight_excludes_midnight(tmp_path: Path, writer: SegmentWriter) -> None:
    midnight = START + hours(12)
    writer.append([payload(1, midnight - timedelta(microseconds=1)), payload(2, midnight)])
    writer.seal()
    seal_all(tmp_path)
    assert numbers(read(tmp_path, START, midnight)) == [1]
    assert numbers(read(tmp_path, midnight, midnight + hours(24))) == [2]


def test_a_file_that_goes_while_it_is_read_leaves_those_of_the_other_days(
    tmp_path: Path, writer: SegmentWriter
) -> None:
    writer.append([payload(1, START), payload(2, START + hours(24))])
    writer.seal()
    seal_all(tmp_path)
    day = next(places.parts(places.parquet(tmp_path), None, None)).parent
    (day / "gone.parquet").symlink_to(tmp_path / "removed")  # listed, and not there when it is opened
    assert numbers(read(tmp_path)) == [1, 2]


def test_the_rows_of_the_live_shadow_and_fallback_arms_are_kept_apart(tmp_path: Path, writer: SegmentWriter) -> None:
    writer.append(
        [
            payload(1, version=2, score=None),
            payload(1, version=1, arm="fallback"),
            payload(1, version=3, arm="shadow"),
            payload(1, version=4, arm="shadow"),
        ]
    )
    assert read(tmp_path).select("arm", "version").rows() == [
        ("fallback", 1), ("live", 2), ("shadow", 3), ("shadow", 4),
    ]  # fmt: skip


def test_a_crash_between_writing_and_removing_doubles_nothing(tmp_path: Path, writer: SegmentWriter) -> None:
    writer.append([payload(number, START + hours(number)) for number in range(24)])
    sealed = writer.seal()
    assert sealed is not None
    copy = tmp_path / "copy"
    shutil.copy(sealed, copy)
    seal_all(tmp_path)
    shutil.copy(copy, sealed)  # as if the process had died just before it removed the segment
    assert numbers(read(tmp_path)) == list(range(24))
    assert seal_all(tmp_path) == Sealed(segments=1, rows=24)
    assert numbers(read(tmp_path)) == list(range(24))


def test_a_torn_end_is_left_out_and_kept_for_inspection(tmp_path: Path, writer: SegmentWriter) -> None:
    writer.append([payload(1), payload(2)])
    writer.append([payload(3)])
    (live,) = places.segments(tmp_path).glob("*.open")
    with live.open("r+b") as file:
        file.truncate(live.stat().st_size - 5)
    assert numbers(read(tmp_path)) == [1, 2]
    kill(writer)
    SegmentWriter(places.segments(tmp_path), "w0")  # the restarted worker
    assert seal_all(tmp_path).rows == 2
    assert numbers(read(tmp_path)) == [1, 2]
    assert [path.suffix for path in places.segments(tmp_path).glob("w0-*")] == [".torn"]


def test_segments_after_a_restart_never_replace_parquet_of_earlier_ones(tmp_path: Path) -> None:
    for number in range(3):
        killed = SegmentWriter(places.segments(tmp_path), "w0")
        killed.append([payload(number)])
        kill(killed)
        seal_all(tmp_path)
    assert numbers(read(tmp_path)) == [0, 1, 2]


def test_a_segment_of_a_used_name_adds_to_what_is_in_parquet(tmp_path: Path) -> None:
    for number in (1, 2):
        writer = SegmentWriter(places.segments(tmp_path), "w0")
        writer.append([payload(number)])
        writer.seal()
        seal_all(tmp_path)
        (places.segments(tmp_path) / "w0.next").unlink()  # the numbering is lost
    assert [path.name for path in places.parquet(tmp_path).rglob("*.parquet")] == ["w0-00000001.parquet"]
    assert numbers(read(tmp_path)) == [1, 2]


def test_reading_while_a_worker_finishes_segments_misses_nothing(tmp_path: Path, writer: SegmentWriter) -> None:
    written = 0
    ended = threading.Event()

    def write() -> None:
        nonlocal written
        for number in range(120):
            writer.append([payload(number)])
            written = number + 1
            writer.seal()
        ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    tails = Tails()
    while not ended.is_set():
        least = written
        assert len(numbers(read(tmp_path, tails=tails))) >= least
    thread.join()
    assert numbers(read(tmp_path, tails=tails)) == list(range(120))


def test_the_segment_of_a_worker_that_is_gone_is_moved_and_that_of_a_living_one_is_not(
    tmp_path: Path, writer: SegmentWriter
) -> None:
    gone = SegmentWriter(places.segments(tmp_path), "w7")
    writer.append([payload(1)])
    gone.append([payload(2)])
    kill(gone)
    assert seal_all(tmp_path) == Sealed(segments=1, rows=1)
    assert [path.suffix for path in sorted(places.segments(tmp_path).glob("w*-*"))] == [".open"]
    assert numbers(read(tmp_path)) == [1, 2]


def test_a_reader_that_comes_again_decodes_only_what_is_new(tmp_path: Path, writer: SegmentWriter) -> None:
    tails = Tails()
    writer.append([payload(1)])
    assert numbers(read(tmp_path, tails=tails)) == [1]
    (live,) = places.segments(tmp_path).glob("*.open")
    with live.open("r+b") as file:
        file.write(b"\xff" * 20)  # an early frame: one who decodes it again stops here
    writer.append([payload(2)])
    assert numbers(read(tmp_path, tails=tails)) == [1, 2]
    writer.seal()
    assert numbers(read(tmp_path, tails=tails)) == [1, 2]
    assert numbers(read(tmp_path)) == []


def test_reading_while_another_process_seals_misses_and_doubles_nothing(tmp_path: Path, writer: SegmentWriter) -> None:
    for number in range(40):
        writer.append([payload(number, START + timedelta(minutes=40 * number))])
        writer.seal()
    writer.append([payload(40, START + timedelta(minutes=40 * 40))])
    program = (
        "import sys; from pathlib import Path; from detent.predictions.seal import seal;"
        "print(flush=True); seal(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    folders = [str(places.segments(tmp_path)), str(places.parquet(tmp_path))]
    seen = []
    with subprocess.Popen([sys.executable, "-c", program, *folders], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        while child.poll() is None:
            seen.append(numbers(read(tmp_path)))
    assert child.returncode == 0
    assert all(found == list(range(41)) for found in seen)
    assert numbers(read(tmp_path)) == list(range(41))


def test_a_full_disk_keeps_the_segment(tmp_path: Path, writer: SegmentWriter) -> None:
    writer.append([payload(1)])
    writer.seal()
    places.parquet(tmp_path).parent.mkdir(exist_ok=True)
    places.parquet(tmp_path).write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="Parquet"):
        seal_all(tmp_path)
    assert len(list(places.segments(tmp_path).glob("*.sealed"))) == 1
    places.parquet(tmp_path).unlink()
    assert seal_all(tmp_path).rows == 1


def test_frames_of_the_form_before_and_of_this_one_make_the_same_table() -> None:
    old, new = to_frame([payload(1), payload(2)]), to_frame([turn(1, 2)])
    assert old.drop("inputs").equals(new.drop("inputs"))
    assert expand_inputs(old, SIGNATURE).equals(expand_inputs(new, SIGNATURE))
    assert (
        to_frame([payload(1), turn(2, 3), payload(4)])["id"].to_list() == to_frame([turn(1, 2, 3, 4)])["id"].to_list()
    )


def test_a_frame_that_is_no_prediction_is_left_out(tmp_path: Path) -> None:
    broken = turn(1).replace(b"JFK", b"\xff\xff\xff")
    assert numbers(to_frame([turn(1), broken, b"\x03", b"", turn(2)[:-1], turn(2)])) == [1, 2]
    assert numbers(to_frame([payload(1), b"{}", b"\xff", payload(2)])) == [1, 2]


def test_inputs_become_typed_columns_and_what_does_not_fit_is_null(tmp_path: Path) -> None:
    frame = to_frame(
        [
            payload(1),
            payload(2, inputs={"temp": 3, "hour": 5, "origin": None, "wet": True, "more": 1}),
            payload(3, inputs={"temp": "warm", "hour": 1.5, "origin": 4, "wet": 1}),
            payload(4, inputs={}),
        ]
    )
    columns = expand_inputs(frame, SIGNATURE)
    assert columns.rows() == [
        (0.5, 1, "JFK", False),
        (3.0, 5, None, True),
        (None, None, None, None),
        (None, None, None, None),
    ]
    assert columns.dtypes == [pl.Float64(), pl.Int64(), pl.String(), pl.Boolean()]
    assert expand_inputs(frame.clear(), SIGNATURE).height == 0


def test_one_day_out_of_a_year_is_read_from_that_day_only(tmp_path: Path) -> None:
    year = SegmentWriter(places.segments(tmp_path), "w0")
    for day in range(15):
        year.append([payload(day * 10 + number, START + hours(24 * day)) for number in range(10)])
        year.seal()
    seal_all(tmp_path)
    for path in places.parquet(tmp_path).glob("date=*"):
        if path.name != "date=2013-07-11":
            shutil.rmtree(path)  # whoever looks there finds nothing
    day: datetime = START + hours(240) - hours(12)
    assert numbers(read(tmp_path, day, day + hours(24))) == list(range(100, 110))
