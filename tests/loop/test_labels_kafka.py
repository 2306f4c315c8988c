"""Labels out of a Kafka topic into the store: each once, whatever lies between them, however often they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from click.testing import CliRunner
from tests.predictions.broker import Broker

from detent.cli.label import command
from detent.loop.labelling import labels
from detent.loop.workspace import Workspace
from detent.predictions import LabelCounts, asides, labels_of
from detent.predictions.sources import kafka
from detent.records.project import LabelSource
from detent.store import ledger

from .test_labels import HOUR, Feed, events


class Topic(Feed):
    """A project that reads a topic each minute."""

    def __init__(self, ws: Workspace, broker: Broker, **changes: object) -> None:
        super().__init__(ws)
        self.broker, self.topic = broker, broker.topic()
        source = LabelSource(
            source=f"kafka:{self.topic}", field="id", name="order", value="late", at="told", servers=broker.servers,
            every=timedelta(minutes=1),
        )  # fmt: skip
        self.source = replace(source, **changes)  # type: ignore[arg-type]
        monitor = replace(self.ws.project.monitor, labels=(self.source,))
        self.ws = replace(self.ws, project=replace(self.ws.project, monitor=monitor))
        self.hours = 0.0

    def say(self, *messages: object) -> None:
        self.broker.write(self.topic, *messages)

    def told(self, name: str, value: object, hours: float = 0.0) -> dict[str, object]:
        return {"order": name, "late": value, "told": (self.start + hours * HOUR).isoformat()}

    def look(self) -> LabelCounts:
        self.hours += 0.1
        return self.collect(self.hours)

    def reached(self) -> int:
        return self.broker.reached(self.topic, f"detent-{self.topic}")[0]


@pytest.fixture(scope="module")
def broker() -> Broker:
    return Broker()


@pytest.fixture
def topic(served: Workspace, broker: Broker) -> Topic:
    return Topic(served, broker)


def failing(real: Callable[..., object], times: int) -> Callable[..., object]:
    """Fail with the first calls, as a process does that is killed."""
    left: Iterator[None] = iter([None] * times)

    def call(*args: object, **more: object) -> object:
        if next(left, 0) is None:
            raise KeyboardInterrupt
        return real(*args, **more)

    return call


def test_labels_are_stored_before_the_offset_moves_and_count_once(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = topic.serve(1, 2)
    topic.say(topic.told(one, 1), topic.told(two, 0), topic.told(one, 1))
    monkeypatch.setattr(labels, "record", failing(labels.record, 1))
    with pytest.raises(KeyboardInterrupt):  # killed before they are stored
        topic.look()
    assert (topic.known(one, two), topic.reached()) == ([None, None], -1001)
    monkeypatch.setattr(kafka, "_commit", failing(kafka._commit, 1))
    with pytest.raises(KeyboardInterrupt):  # killed after they were stored
        topic.look()
    assert (topic.known(one, two), topic.reached()) == ([1.0, 0.0], -1001)
    assert topic.look() == LabelCounts(duplicate=2)  # read again
    assert topic.reached() == 3
    assert topic.look() == LabelCounts()
    topic.say(topic.told(two, 1, 0.2))
    assert topic.look() == LabelCounts(corrected=1)
    assert topic.known(two) == [1.0]


def test_messages_that_are_no_labels_are_kept_with_their_place_and_block_nothing(topic: Topic) -> None:
    one, two = topic.serve(1, 2)
    topic.say(
        b"what?", topic.told(one, 1), topic.told(two, 7), topic.told(two, "yes"), None, topic.told("nobody", 0),
        {"order": two, "late": 0, "told": "soon"}, topic.told(two, 0),
    )  # fmt: skip
    assert topic.look() == LabelCounts(new=2, orphan=1)
    assert topic.known(one, two) == [1.0, 0.0]
    assert topic.reached() == 8
    kept = {
        one.aside.place.partition("@")[2]: (one.aside.why, one.aside.message) for one in asides.asides(topic.ws.db, 9)
    }
    assert sorted(kept) == ["0", "2", "3", "6"]
    assert kept["0"] == ("no JSON", "what?")
    assert kept["2"][0] == "neither 0 nor 1"
    assert '"late":7' in kept["2"][1]
    assert "`late` holds String" in kept["3"][0]
    assert kept["6"][0] == "no time that can be read"
    (event,) = events(topic, "labels.recorded")
    assert event["left_out"] == {
        "neither 0 nor 1": 1, "no JSON": 1, "no time that can be read": 1, "tombstone": 1, kept["3"][0]: 1,
    }  # fmt: skip


def test_what_was_set_aside_is_kept_once_and_not_for_ever(topic: Topic) -> None:
    topic.say(b"what?")
    topic.look()
    topic.say(b"and that?")
    topic.hours += 24 * 91
    topic.look()
    assert [one.aside.message for one in asides.asides(topic.ws.db, 9)] == ["and that?"]


def test_a_label_that_is_read_is_known_even_if_its_clock_is_ahead(topic: Topic) -> None:
    (one,) = topic.serve(1)
    topic.say(topic.told(one, 1, 500.0))
    assert topic.look() == LabelCounts(new=1)
    (at,) = labels_of(topic.ws.db, pl.Series([one]))["label_at"].to_list()
    assert at == topic.start + topic.hours * HOUR


def test_a_long_topic_is_read_batch_by_batch_without_waiting(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    names = topic.serve(*range(1, 8))
    topic.say(*(topic.told(name, 1) for name in names))
    monkeypatch.setattr(kafka.fetch, "__defaults__", (3, kafka.SECONDS))
    topic.hours = 1.0
    found = [topic.collect(1.0).new for _ in range(4)]  # the clock stands still
    assert found == [3, 3, 1, 0]


def test_brokers_that_are_gone_are_told_once_and_read_when_they_are_back(topic: Topic) -> None:
    (one,) = topic.serve(1)
    topic.say(topic.told(one, 1))
    source = replace(topic.source, source="kafka:nowhere")
    there = topic.ws
    topic.ws = replace(there, project=replace(there.project, monitor=replace(there.project.monitor, labels=(source,))))
    for _ in range(2):
        assert topic.look() == LabelCounts()
    assert [event["source"] for event in events(topic, "labels.failed")] == ["kafka:nowhere"]
    (failed,) = ledger.read(topic.ws.db, kind="labels.failed")
    assert "Unknown topic" in failed.observed["why"]
    topic.ws = there
    assert topic.look() == LabelCounts(new=1)


def test_people_can_look_at_what_was_set_aside(topic: Topic) -> None:
    topic.say(b"what?\x1b[2J", {"order": "a", "late": 1})
    topic.look()
    shown = CliRunner().invoke(command, ["aside"], obj=topic.ws.folder)
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert len(lines) == 2
    assert f"kafka:{topic.topic}  {topic.topic}[0]@0  no JSON  " in lines[0]
    assert "\x1b" not in shown.output
    empty = CliRunner().invoke(command, ["aside", "-n", "0"], obj=topic.ws.folder)
    assert empty.exit_code != 0
