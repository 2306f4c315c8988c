"""Streams of labels hold no decision back, and a place that stays silent for long is told to people."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from tests.predictions.broker import Broker

from detent.loop.controller import Controller
from detent.loop.labelling.labels import collect
from detent.loop.labelling.streams import Streams
from detent.loop.servers.serve import NeighbourGateway
from detent.loop.workspace import Workspace
from detent.monitor import store
from detent.pipeline.executors.local import LocalExecutor
from detent.predictions import LabelCounts
from detent.predictions.sources.protocol import LabelError
from detent.records.event import Event
from detent.store import ledger

from .test_labels import HOUR
from .test_labels_kafka import Topic


@pytest.fixture(scope="module")
def broker() -> Broker:
    return Broker()


@pytest.fixture
def topic(served: Workspace, broker: Broker) -> Topic:
    return Topic(served, broker)


@pytest.fixture
def silent() -> Iterator[str]:
    """Where something listens that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def of(topic: Topic, servers: str) -> Workspace:
    monitor = replace(topic.ws.project.monitor, labels=(replace(topic.source, servers=servers),))
    return replace(topic.ws, project=replace(topic.ws.project, monitor=monitor))


def events(ws: Workspace, kind: str) -> list[Event]:
    return list(ledger.read(ws.db, kind=kind))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"


def test_a_tick_does_not_wait_for_a_broker_that_is_silent(
    topic: Topic, silent: str, executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detent.predictions.sources.kafka._ANSWER", 3.0)
    ws = of(topic, silent)
    waited = list[float]()
    real = collect

    def timed(*args: object) -> LabelCounts:
        began = time.monotonic()
        try:
            return real(*args)  # type: ignore[arg-type]
        finally:
            waited.append(time.monotonic() - began)

    monkeypatch.setattr("detent.loop.controller.collect", timed)
    controller = Controller(ws, NeighbourGateway(ws), executor, tell=print)
    until(lambda: controller.look() is not None and bool(events(ws, "labels.failed")))
    assert len(waited) > 1
    assert max(waited) < 1.0


def test_what_a_stream_brings_late_is_stored_once_and_settled(topic: Topic) -> None:
    topic.say(topic.told("a", 1), topic.told("b", 0))
    streams = Streams(wait=0.0)

    def stored() -> int:
        topic._clock.set(topic.ws.now() + HOUR)
        collect(topic.ws, streams)
        return sum(event.payload["orphan"] for event in events(topic.ws, "labels.recorded"))

    until(lambda: stored() == 2)
    until(lambda: stored() == 2 and topic.reached() == 2)


def test_a_stream_that_can_not_be_settled_says_so_at_the_next_look() -> None:
    streams, goes_on = Streams(wait=0.0), threading.Event()

    def refuses():
        goes_on.wait(60)
        raise LabelError(what="no", why="no", fix="no")

    streams.begin()
    streams.settle("truth", refuses)
    assert streams.batch("truth", refuses) is None
    goes_on.set()
    with pytest.raises(LabelError):
        until(lambda: streams.batch("truth", refuses) is not None)


def test_a_place_that_is_silent_for_an_hour_is_told_once_and_over_when_it_answers(
    topic: Topic, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic.say(topic.told("a", 1))
    ws, key = of(topic, silent), f"labels:kafka:{topic.topic}"

    def look(ws: Workspace, hours: float) -> list[str]:
        topic._clock.set(topic.start + hours * HOUR)
        collect(ws)
        return [one.key for one in store.open_episodes(ws.db, "shop")]

    with monkeypatch.context() as patch:
        patch.setattr("detent.predictions.sources.kafka._ANSWER", 0.3)
        assert look(ws, 1.0) == []
        assert look(ws, 1.9) == []
        assert look(ws, 2.1) == [key]
        assert look(ws, 3.1) == [key]
    assert look(topic.ws, 4.0) == []  # the broker is back
    raised = events(ws, "alert.raised")
    assert len(raised) == 1
    assert "No label of `kafka:" in raised[0].payload["text"]
