from __future__ import annotations

import pytest

from detent.errors import BusyError, DetentError, RefusedError
from detent.loop.controller import Controller, Outside
from detent.loop.servers.serve import NeighbourGateway
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


def test_without_the_store_a_look_ends_at_once(fails) -> None:
    done = fails(BusyError(what="the database is busy", why="because", fix="x"))
    assert "lineage" not in done
    assert "this look failed: the database is busy (because)" in done
