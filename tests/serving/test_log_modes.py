from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from detent.records.log import LogPlan
from detent.serving import places

from .builders import POISON, ROW, World
from .conftest import Local, until

Start = Callable[..., Local]
SMALL = 64 << 10


def ballast(world: World, size: int) -> Path:
    """Fill the log's folder as segments that nobody moved to Parquet do."""
    folder = places.segments(world.state)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "w9-00000001.sealed"
    path.write_bytes(bytes(size))
    return path


def test_an_audited_answer_comes_after_the_sync_and_many_share_one(
    world: World, local: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.route((1, 10_000))
    app = local(log=LogPlan(mode="audit", sync=timedelta(minutes=1)))
    synced, sync = [], os.fdatasync

    def fdatasync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", fdatasync)

    answers = app.predict_at_once([ROW] * 20)
    assert {answer.status_code for answer in answers} == {200}
    assert app.log().height == 20
    assert 1 <= len(synced) <= 10
    (live,) = places.segments(world.state).glob("*.open")
    assert synced[-1] == live.stat().st_size


def test_an_audited_answer_that_can_not_be_synced_is_not_given_out(
    world: World, local: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.route((1, 10_000))
    app = local(log=LogPlan(mode="audit"))

    def fdatasync(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    answer = app.predict(ROW)
    assert answer.status_code == 503
    assert "Input/output error" in answer.text
    assert app.counts() == {}
    monkeypatch.undo()
    assert app.predict(ROW).status_code == 200


def test_a_full_audited_log_refuses_before_the_model_runs_and_goes_on_when_there_is_room(
    world: World, local: Start
) -> None:
    world.route((1, 10_000))
    path = ballast(world, SMALL)
    app = local(log=LogPlan(mode="audit", max_bytes=SMALL, sync=timedelta(milliseconds=5)))
    answer = app.predict(POISON)  # the model would say something else about it
    assert answer.status_code == 503
    assert answer.json()["type"].endswith("log-full")
    assert app.counts() == {}
    path.unlink()
    until(lambda: app.predict(ROW).status_code == 200)


def test_a_full_durable_log_answers_says_so_in_a_header_and_counts(world: World, local: Start) -> None:
    world.route((1, 10_000))
    path = ballast(world, SMALL)
    app = local(log=LogPlan(max_bytes=SMALL, sync=timedelta(milliseconds=5)))
    answer = app.predict(ROW, ROW)
    assert answer.status_code == 200
    assert answer.headers["x-detent-log"] == "dropped"
    assert app.numbers()[0]["log_dropped"] == 2
    assert app.counts() == {(1, "live"): (2, 0)}
    assert app.log().is_empty()
    path.unlink()
    until(lambda: "x-detent-log" not in app.predict(ROW).headers)
    assert app.log().height == 1


def test_a_sample_keeps_all_rows_of_a_prediction_or_none_and_counts_what_it_leaves_out(
    world: World, local: Start
) -> None:
    world.route((1, 0), (7, 10_000), fallback=1, shadows=(2,), loaded=(1, 2, 7))
    app = local(log=LogPlan(mode="sample", sample=0.5))
    for _ in range(5):
        assert app.predict(*[ROW] * 20).status_code == 200
    log = app.log()
    assert 20 < log["id"].n_unique() < 80
    assert log.height == 3 * log["id"].n_unique()
    assert app.numbers()[0]["log_left_out"] == 2 * (100 - log["id"].n_unique())  # answers, and their shadows
    assert app.counts()[7, "live"] == (100, 100)


def test_off_logs_nothing_and_answers(world: World, local: Start) -> None:
    world.route((1, 10_000))
    app = local(log=LogPlan(mode="off"))
    assert app.predict(ROW).status_code == 200
    assert app.log().is_empty()
    assert app.numbers()[0]["log_left_out"] == 1


@pytest.mark.parametrize("rule", ["hash", "drop"])
def test_a_field_that_must_not_be_logged_is_in_no_row_of_any_arm_nor_is_the_entity(
    world: World, local: Start, rule: str
) -> None:
    world.route((1, 0), (7, 10_000), fallback=1, shadows=(2,), loaded=(1, 2, 7))
    app = local(log=LogPlan(fields=(("origin", rule), ("wet", "keep"))))
    for _ in range(2):
        app.predict({**ROW, "origin": "123-45-6789"})
    app.predict(ROW, entities=["123-45-6789"])
    log = app.log()
    assert sorted(log["arm"].unique()) == ["fallback", "live", "shadow"]
    for path in places.segments(world.state).iterdir():
        assert b"123-45-6789" not in path.read_bytes()
    assert log["entity"].n_unique() == 1
    if rule == "hash":
        inputs = log["inputs"][0]
        assert re.search(rf'"origin":{{"hashed":"{log["entity"][0]}"}}', inputs)  # a field and the entity join
    else:
        assert log["entity"][0] == ""
        assert "origin" not in log["inputs"][0]
