"""Kafka brokers of librdkafka: real sockets and the real protocol, inside of this process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count

from confluent_kafka import Consumer, Producer, TopicPartition

QUIET = {"log_level": 0}
_NUMBERS = count()


class Broker:
    """One broker; topics have four partitions and come to be when they are written to."""

    def __init__(self) -> None:
        self._inside = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "127.0.0.1:1", **QUIET})
        found = self._inside.list_topics(timeout=30).brokers.values()
        self.servers = ",".join(f"{one.host}:{one.port}" for one in found)
        self._writer = Producer({"bootstrap.servers": self.servers, **QUIET})

    def topic(self) -> str:
        """Return a name that was never used."""
        return f"truth-{next(_NUMBERS)}"

    def write(self, topic: str, *messages: object, partition: int = 0, time: int = 0) -> None:
        """Write messages: bytes as they are, None as a tombstone, all else as JSON; `time`: milliseconds since 1970."""
        for message in messages:
            body = message if message is None or isinstance(message, bytes) else json.dumps(message).encode()
            if time:
                self._writer.produce(topic, body, partition=partition, timestamp=time)
            else:
                self._writer.produce(topic, body, partition=partition)
        assert self._writer.flush(30) == 0

    def reached(self, topic: str, group: str, partitions: Sequence[int] = (0,)) -> list[int]:
        """Return the offsets of a group; -1001: none."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": group, **QUIET})
        try:
            asked = [TopicPartition(topic, number) for number in partitions]
            return [place.offset for place in consumer.committed(asked, timeout=30)]
        finally:
            consumer.close()
