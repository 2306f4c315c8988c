"""Labels out of Kafka: a real client against a broker over real sockets."""

from __future__ import annotations

import json
import socket
import sys
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer, TopicPartition

from detent import plugins
from detent.errors import MissingExtraError
from detent.predictions.sources.kafka import PLACE, TOLD, fetch
from detent.predictions.sources.protocol import Batch, LabelError
from detent.records.project import LabelSource

from .broker import Broker

KNOWN = datetime(2025, 2, 1, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def broker() -> Broker:
    return Broker()


def source(broker: Broker, topic: str, **changes: object) -> LabelSource:
    values = {"source": f"kafka:{topic}", "field": "id", "name": "order", "value": "late", "servers": broker.servers}
    return LabelSource(**{**values, **changes})  # type: ignore[arg-type]


def told(batch: Batch) -> list[tuple[object, ...]]:
    return [row for frame in batch.frames for row in frame.select("order", "late", PLACE).rows()]


def test_messages_are_rows_with_their_place_and_the_time_they_came(broker: Broker) -> None:
    topic = broker.topic()
    broker.write(topic, {"order": "a", "late": 1}, {"order": 17, "late": 0}, time=int(KNOWN.timestamp() * 1000))
    batch = fetch(source(broker, topic))
    assert told(batch) == [("a", 1, f"{topic}[0]@0"), ("17", 0, f"{topic}[0]@1")]
    assert (batch.time, batch.frames[0][TOLD].to_list()) == (TOLD, [KNOWN, KNOWN])
    assert (batch.aside, batch.waiting, batch.left_out, batch.more) == ((), 0, (), False)


def test_a_declared_time_is_read_from_the_message(broker: Broker) -> None:
    topic = broker.topic()
    broker.write(topic, {"order": "a", "late": 1, "told": "2025-02-01T10:00:00Z"}, {"order": "b", "late": 1})
    batch = fetch(source(broker, topic, at="told"))
    assert batch.frames[0]["told"].to_list() == ["2025-02-01T10:00:00Z"]
    assert [(one.place, one.why) for one in batch.aside] == [(f"{topic}[0]@1", "no time that can be read")]


def test_offsets_move_only_when_a_batch_was_stored(broker: Broker) -> None:
    topic = broker.topic()
    broker.write(topic, {"order": "a", "late": 1})
    broker.write(topic, {"order": "b", "late": 0}, {"order": "c", "late": 0}, partition=2)
    first = fetch(source(broker, topic, group="shop"))
    assert broker.reached(topic, "shop", range(4)) == [-1001] * 4
    again = fetch(source(broker, topic, group="shop"))
    assert sorted(told(again)) == sorted(told(first))
    again.settle()
    assert broker.reached(topic, "shop", range(4)) == [1, -1001, 2, -1001]
    assert told(fetch(source(broker, topic, group="shop"))) == []
    broker.write(topic, {"order": "d", "late": 1})
    assert told(fetch(source(broker, topic, group="shop"))) == [("d", 1, f"{topic}[0]@1")]
    assert len(told(fetch(source(broker, topic)))) == 4  # another group begins at the beginning


def test_a_batch_is_bounded_and_says_that_there_is_more(broker: Broker) -> None:
    topic, seen = broker.topic(), []
    broker.write(topic, *({"order": f"o{number}", "late": 0} for number in range(25)))
    for expected in (10, 10, 5):
        batch = fetch(source(broker, topic), most=10)
        assert (len(told(batch)), batch.more) == (expected, expected == 10)
        seen += [row[0] for row in told(batch)]
        batch.settle()
    assert seen == [f"o{number}" for number in range(25)]


BROKEN: list[tuple[object, str]] = [
    (b"late", "no JSON"),
    (b"\xff\xfe", "no JSON"),
    (b"", "no JSON"),
    (b'{"order": "a", "late": NaN}', "no JSON"),
    (b"[" * 100_000, "no JSON"),
    (["a", 1], "no JSON object"),
    ({"late": 1}, "no name"),
    ({"order": "", "late": 1}, "no name"),
    ({"order": True, "late": 1}, "no name"),
    ({"order": {"id": 1}, "late": 1}, "no name"),
    ({"order": "a"}, "no label"),
    ({"order": "a", "late": [1]}, "no label"),
]


def test_what_is_no_label_is_set_aside_with_its_place_and_the_others_are_read(broker: Broker) -> None:
    topic = broker.topic()
    for message, _ in BROKEN:
        broker.write(topic, message, {"order": "b", "late": 1})
    batch = fetch(source(broker, topic))
    assert [(one.place, one.why) for one in batch.aside] == [
        (f"{topic}[0]@{2 * number}", why) for number, (_, why) in enumerate(BROKEN)
    ]
    assert max(len(one.message) for one in batch.aside) <= 1_000
    assert len(told(batch)) == len(BROKEN)
    batch.settle()
    assert broker.reached(topic, f"detent-{topic}") == [2 * len(BROKEN)]


def test_tombstones_and_truths_that_are_not_known_yet_are_counted_and_passed(broker: Broker) -> None:
    topic = broker.topic()
    broker.write(topic, None, {"order": "a", "late": None}, None)
    batch = fetch(source(broker, topic))
    assert (told(batch), batch.waiting, batch.left_out) == ([], 1, (("tombstone", 2),))
    batch.settle()
    assert broker.reached(topic, f"detent-{topic}") == [3]


def test_texts_and_numbers_in_one_topic_stay_what_they_are(broker: Broker) -> None:
    topic = broker.topic()
    broker.write(topic, *({"order": "a", "late": value} for value in (1, "yes", 0.5, True, 2**70)))
    kinds = {str(frame["late"].dtype): frame["late"].to_list() for frame in fetch(source(broker, topic)).frames}
    assert kinds == {"Boolean": [True], "Int64": [1], "Float64": [0.5, 2.0**70], "String": ["yes"]}


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(broker: Broker) -> None:
    topic, old = broker.topic(), broker.topic()
    broker.write(old, *({"order": "a", "late": 1} for _ in range(5)))
    broker.write(topic, {"order": "b", "late": 1})
    consumer = Consumer({"bootstrap.servers": broker.servers, "group.id": f"detent-{topic}"})
    consumer.commit(offsets=[TopicPartition(topic, 0, 5)], asynchronous=False)
    consumer.close()
    assert [row[0] for row in told(fetch(source(broker, topic)))] == ["b"]


def test_a_topic_that_is_not_there_says_so(broker: Broker) -> None:
    with pytest.raises(LabelError, match="Unknown topic") as caught:
        fetch(source(broker, "nowhere"))
    assert "create the topic" in caught.value.fix


def test_brokers_that_stay_silent_are_not_waited_for_any_longer(broker: Broker) -> None:
    topic = broker.topic()
    broker.write(topic, {"order": "a", "late": 1})
    with pytest.raises(LabelError, match="gave no message within -1 s"):
        fetch(source(broker, topic), seconds=-1.0)


def test_a_broker_that_is_not_there_says_so_without_the_password(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("SHOP_KAFKA", json.dumps({"sasl.password": "hunter2"}))
    monkeypatch.setattr("detent.predictions.sources.kafka._ANSWER", 1.0)
    with pytest.raises(LabelError, match="Connection refused") as caught:
        fetch(source(broker, "truth", servers=f"127.0.0.1:{port}", connection="SHOP_KAFKA"))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_settings_come_from_the_environment_and_mistakes_in_them_are_told(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = broker.topic()
    broker.write(topic, {"order": "a", "late": 1})
    bare = source(broker, topic, servers=None, connection="SHOP_KAFKA")
    with pytest.raises(LabelError, match="SHOP_KAFKA is not set"):
        fetch(bare)
    for wrong in ('password="hunter2"', '["hunter2"]', '{"sasl.password": "hunter2", "sasl.password.x": "hunter2"}'):
        monkeypatch.setenv("SHOP_KAFKA", wrong)
        with pytest.raises(LabelError) as caught:
            fetch(bare)
        assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("SHOP_KAFKA", json.dumps({"bootstrap.servers": broker.servers, "enable.auto.commit": True}))
    assert [row[0] for row in told(fetch(bare))] == ["a"]
    assert broker.reached(topic, f"detent-{topic}") == [-1001]  # what detent needs to be so, stays so


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    monkeypatch.delitem(sys.modules, "detent.predictions.sources.kafka")
    with pytest.raises(MissingExtraError) as caught:
        plugins.load("label_stream", "kafka")
    assert "pip install 'detent[kafka]'" in str(caught.value)
