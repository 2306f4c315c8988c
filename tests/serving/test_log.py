from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from detent.errors import StoreError
from detent.predictions.read import read
from detent.records.prediction import Prediction
from detent.serving import places
from detent.serving.log import PredictionLog
from detent.store.clock import iso

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def row(id_: str, at: datetime = NOON) -> Prediction:
    return Prediction(
        id=id_, time=iso(at), endpoint="e", route_seq=1, version=1, served_by=1, arm="live", propensity=1.0,
        entity="", inputs={"x": 1}, score=0.5, status="ok", error="", service_seconds=0.0,
    )  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> PredictionLog:
    return PredictionLog(places.segments(tmp_path), "w0", max_bytes=1 << 20)


def test_a_row_can_be_read_as_soon_as_it_was_appended(tmp_path: Path, log: PredictionLog) -> None:
    log.append([row("a"), row("b")], NOON)
    assert read(tmp_path)["id"].to_list() == ["a", "b"]


def test_a_segment_never_holds_two_days(tmp_path: Path, log: PredictionLog) -> None:
    log.append([row("a")], NOON)
    log.append([row("b", NOON + DAY)], NOON + DAY)
    assert read(tmp_path, include_open=False)["id"].to_list() == ["a"]
    log.turn(NOON + DAY)
    assert read(tmp_path, include_open=False)["id"].to_list() == ["a"]
    log.turn(NOON + 2 * DAY)
    assert read(tmp_path, include_open=False)["id"].to_list() == ["a", "b"]
    log.turn(NOON + 3 * DAY)
    assert len(list(places.segments(tmp_path).glob("*.sealed"))) == 2


def test_a_log_that_can_not_be_written_says_so_and_goes_on_later(tmp_path: Path) -> None:
    folder = places.segments(tmp_path)
    log = PredictionLog(folder, "w0", max_bytes=1 << 20)
    folder.rmdir()
    folder.write_text("in the way")
    with pytest.raises(StoreError, match=os.strerror(errno.ENOTDIR)):
        log.append([row("a")], NOON)
    folder.unlink()
    folder.mkdir()
    log.append([row("b")], NOON)
    assert read(tmp_path)["id"].to_list() == ["b"]
