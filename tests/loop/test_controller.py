from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from detent.errors import BusyError, DetentError, RefusedError
from detent.loop.champion import champion_version
from detent.loop.controller import Controller, Outside
from detent.loop.releases.release import release
from detent.loop.runs.datasets import ingest_all
from detent.loop.sabotage.ship import spoiled
from detent.loop.servers.serve import NeighbourGateway
from detent.loop.train import submit
from detent.loop.workspace import Workspace
from detent.pipeline.executors.protocol import Executor
from detent.store import ledger


@pytest.fixture
def fails(served: Workspace, executor: Executor):
    """Return what happened in one look of a controller that can't send alerts."""

    def look(error: DetentError) -> list[str]:
        done: list[str] = []

        def send(_: Workspace) -> None:
            raise error

        outside = Outside(send=send, lineage=lambda _: done.append("lineage"), train=train)
        controller = Controller(served, NeighbourGateway(served), executor, tell=done.append, outside=outside)
        controller.tick_safely()
        controller.tick_safely()
        return done

    def train(*_: object, **__: object) -> None:
        raise AssertionError("nothing asks for a training")

    return look


def test_a_part_that_fails_keeps_none_of_the_others_from_being_done(served: Workspace, fails) -> None:
    done = fails(RefusedError(what="the channel is gone", why="because", fix="x"))
    assert done.count("lineage") == 2
    assert done.count("this look failed: the channel is gone (because)") == 1  # said once
    failed = [event.payload["error"] for event in ledger.read(served.db, kind="controller.failed")]
    assert failed == ["the channel is gone"]


def test_a_stage_without_an_answer_is_shown_once_to_who_watches(served: Workspace, executor: Executor) -> None:
    plan = replace(served.project.rollout, max_time=timedelta(0), on_timeout="hold")
    ws = replace(served, project=replace(served.project, rollout=plan))
    candidate = spoiled(ws, champion_version(ws), "raising")
    _, version = submit(ws, candidate, ingest_all(ws, ws.now()))
    assert version is not None
    release(ws, NeighbourGateway(ws), version.number, reason="test")
    told: list[str] = []
    controller = Controller(ws, NeighbourGateway(ws), executor, tell=told.append)
    for _ in range(3):
        controller.look_at_rollout()
    assert [line.partition(":")[0] for line in told] == ["Inconclusive"]
    assert "until somebody decides (`detent rollout extend` or `detent rollback`)" in told[0]


def test_without_the_store_a_look_ends_at_once(fails) -> None:
    done = fails(BusyError(what="the database is busy", why="because", fix="x"))
    assert "lineage" not in done
    assert "this look failed: the database is busy (because)" in done
