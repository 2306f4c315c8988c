"""Labels out of a Kafka topic: what came since the last look, at most so many messages at a time.

A topic is read by offsets, without joining a group: the group's name is where the offsets are kept, so that Kafka's own
tools show how far detent is. They move only when a batch is stored, so a crash in between reads it again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import polars as pl
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from detent.predictions.sources.protocol import Aside, Batch, refused
from detent.project.environment import Secret, read_secret
from detent.project.labels import TOPIC
from detent.records.project import LabelSource

LOG = logging.getLogger(__name__)

MOST = 10_000  # messages of one batch
SECONDS = 30.0  # in which a batch must be read
TOLD, PLACE = " told", " place"  # columns besides those of the messages; JSON names with a space in front are rare
_ANSWER = 10.0  # seconds in which a broker must answer one question
_POLL = 0.5
_TOLD = 20  # callbacks that are listened to when something failed
_CRITICAL = 2  # of syslog: what fails is told as an error, not logged with each try
_AT_ONCE = 500  # messages
_BYTES = 64 * 2**20  # after which a batch ends, however few messages it has
_SHOWN = 1_000  # characters of a message that is kept aside
_PROTECTED = ("password", "secret", "token", "key", "jaas")  # settings whose values no message may show
# What detent needs to be so, whatever the settings of the connection say.
_OURS = {
    "enable.auto.commit": False, "enable.auto.offset.store": False, "enable.partition.eof": True,
    "auto.offset.reset": "earliest", "allow.auto.create.topics": False, "queued.max.messages.kbytes": 16 * 1024,
}  # fmt: skip


def fetch(source: LabelSource, most: int = MOST, seconds: float = SECONDS) -> Batch:
    """Return the next messages of the topic as rows; nothing is acknowledged before `settle` is called.

    A message is a JSON object. One that is no label is set aside with its place; one without a body (a tombstone) says
    nothing, and takes nothing back.

    Args:
        source: where from.
        most: messages of this batch.
        seconds: in which they must be read.

    Raises:
        LabelError: the brokers don't answer, refuse, or have no such topic; or the settings are wrong.
    """
    topic = source.source.removeprefix(TOPIC)
    with _consumer(source) as consumer:
        partitions, skipped, gone = _assign(consumer, source, topic)
        messages, more = _read(consumer, source, most, seconds, partitions=partitions)
    asides: list[Aside] = []
    rows, waiting, tombstones = _rows(messages, source, asides)
    reached = {place.partition: place.offset for place in skipped}
    reached |= {_partition(message): _offset(message) + 1 for message in messages}
    moved = [TopicPartition(topic, partition, offset) for partition, offset in reached.items()]
    return Batch(
        frames=_frames(rows, source), time=source.at or TOLD, place=PLACE, aside=tuple(asides), waiting=waiting,
        left_out=tuple((why, size) for why, size in (("tombstone", tombstones), ("deleted by Kafka", gone)) if size),
        more=more, settle=partial(_commit, source, moved),
    )  # fmt: skip


@contextmanager
def _consumer(source: LabelSource) -> Iterator[Consumer]:
    """Open a consumer and close it; every error of Kafka is one of labels, without passwords."""
    settings, heard = _settings(source), []
    protected = {name for name in settings if any(word in name for word in _PROTECTED)} | dict(source.secrets).keys()
    hidden = [str(settings[name]) for name in protected if settings[name]]
    try:
        consumer = Consumer({**settings, "error_cb": heard.append}, logger=LOG)
    except (KafkaException, ValueError, TypeError) as error:
        fix = f"correct {source.connection or '`servers`'}{' and `settings`' if source.settings else ''}"
        raise refused(source, _why(error, hidden), fix) from None
    try:
        yield consumer
    except KafkaException as error:
        # A broker that can't be reached or that refuses is told by callback; the call itself only timed out.
        for _ in range(_TOLD):
            consumer.poll(0)
        told = [one for one in heard if one.code() != KafkaError._ALL_BROKERS_DOWN]
        why = _why(told[-1] if told else error, hidden)
        raise refused(source, why, "check the servers, your rights there, and that they run") from None
    finally:
        consumer.close()


def _settings(source: LabelSource) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if source.connection is not None:
        example = """librdkafka's settings as JSON, such as {"security.protocol": "SASL_SSL", ...}"""
        settings = _parsed(source, _secret(source, source.connection, example))
    settings |= dict(source.settings)
    settings |= {name: _secret(source, variable, f"`{name}`").reveal() for name, variable in source.secrets}
    if source.servers is not None:
        settings["bootstrap.servers"] = source.servers
    return {
        "client.id": "detent", "log_level": _CRITICAL, "fetch.wait.max.ms": 100, **settings, **_OURS,
        "group.id": source.group or f"detent-{source.source.removeprefix(TOPIC)}",
    }  # fmt: skip


def _secret(source: LabelSource, variable: str, what: str) -> Secret:
    secret = read_secret(variable)
    if secret is None:
        raise refused(source, f"the environment variable {variable} is not set", f"set it to {what}")
    return secret


def _parsed(source: LabelSource, secret: Secret) -> dict[str, Any]:
    try:
        return msgspec.json.decode(secret.reveal(), type=dict[str, str | int | float | bool])
    except msgspec.DecodeError:
        # The parser's own words could show a part of it.
        raise refused(
            source, f"{source.connection} is no JSON object of settings", 'write {"NAME": "VALUE", ...}'
        ) from None


def _assign(consumer: Consumer, source: LabelSource, topic: str) -> tuple[int, list[TopicPartition], int]:
    """Begin where the group is.

    Return the number of partitions, those of which messages were deleted before they were read, and how many these are.
    """
    known = consumer.list_topics(topic, timeout=_ANSWER).topics[topic]
    if known.error is not None:
        raise refused(source, known.error.str(), "create the topic, or correct its name at monitor.labels")
    asked = [TopicPartition(topic, number) for number in known.partitions]
    places, skipped, gone = consumer.committed(asked, timeout=_ANSWER), [], 0
    for place in places:
        if place.error is not None:
            raise KafkaException(place.error)
        if place.offset < 0:
            place.offset = OFFSET_BEGINNING
            continue
        low, _ = consumer.get_watermark_offsets(place, timeout=_ANSWER)
        if low > place.offset:
            gone += low - place.offset
            place.offset = low
            skipped.append(place)
    consumer.assign(places)
    return len(places), skipped, gone


def _read(
    consumer: Consumer, source: LabelSource, most: int, seconds: float, *, partitions: int
) -> tuple[list[Message], bool]:
    """Return messages until all partitions are at their end; and whether more may be there."""
    found: list[Message] = []
    ended: set[int] = set()
    until, size = time.monotonic() + seconds, 0
    while len(ended) < partitions and len(found) < most and size < _BYTES:
        if time.monotonic() > until:
            if found:
                break
            raise refused(
                source,
                f"the brokers gave no message within {seconds:g} s, and did not say that there is none",
                "check that the leaders of its partitions run",
            )
        for message in consumer.consume(min(_AT_ONCE, most - len(found)), timeout=_POLL):
            error = message.error()
            if error is None:
                found.append(message)
                size += len(message.value() or b"")
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(_partition(message))
            else:
                raise KafkaException(error)
    return found, len(ended) < partitions


def _rows(
    messages: Sequence[Message], source: LabelSource, asides: list[Aside]
) -> tuple[list[tuple[str, Any, Any, str]], int, int]:
    """Return (name, value, time, place) of labels, how many are not known yet, and how many are tombstones."""
    rows, waiting, tombstones = [], 0, 0
    for message in messages:
        body = message.value()
        if body is None:
            tombstones += 1
            continue
        place = f"{message.topic()}[{_partition(message)}]@{_offset(message)}"
        row = _row(message, body, source)
        if isinstance(row, str):
            asides.append(Aside(place=place, why=row, message=body[:_SHOWN].decode("utf-8", "replace")))
        elif row[1] is None:
            waiting += 1
        else:
            rows.append((*row, place))
    return rows, waiting, tombstones


def _row(message: Message, body: bytes, source: LabelSource) -> tuple[str, Any, Any] | str:
    """Return name, value and time of a message, or why it has none."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return "no JSON"
    if not isinstance(said, dict):
        return "no JSON object"
    name, value = said.get(source.name), said.get(source.value)
    if isinstance(name, bool) or not isinstance(name, (str, int)) or name == "":
        return "no name"
    if source.value not in said or isinstance(value, (dict, list)):
        return "no label"
    if source.at is None:
        return str(name), value, _moment(message)
    at = said.get(source.at)
    return (str(name), value, at) if isinstance(at, str) else "no time that can be read"


def _frames(rows: Sequence[tuple[str, Any, Any, str]], source: LabelSource) -> tuple[pl.DataFrame, ...]:
    """Return one table per kind of value: a text among numbers is no number, and must not make texts of them."""
    kinds = {bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64(), str: pl.String()}
    time_kind = pl.Datetime("us", "UTC") if source.at is None else pl.String()
    frames = []
    for kind, dtype in kinds.items():
        mine = [row for row in rows if _kind(row[1]) is kind]
        names, values, times, places = zip(*mine, strict=True) if mine else ((), (), (), ())
        series = (
            pl.Series(source.name, names, dtype=pl.String()),
            pl.Series(source.value, [kind(value) for value in values], dtype=dtype),
            pl.Series(source.at or TOLD, times, dtype=time_kind),
            pl.Series(PLACE, places, dtype=pl.String()),
        )
        if mine:
            frames.append(pl.DataFrame(series))
    return tuple(frames)


def _kind(value: Any) -> type:
    """Return the kind of column that a value needs; a whole number beyond 64 bits is a float."""
    return float if type(value) is int and not -(2**63) <= value < 2**63 else type(value)


def _moment(message: Message) -> datetime | None:
    """Return when the message was made or came in, as the topic is set up."""
    kind, milliseconds = message.timestamp()
    return datetime.fromtimestamp(milliseconds / 1000.0, UTC) if kind and milliseconds >= 0 else None


def _commit(source: LabelSource, places: Sequence[TopicPartition]) -> None:
    if not places:
        return
    with _consumer(source) as consumer:
        for done in consumer.commit(offsets=list(places), asynchronous=False) or ():
            if done.error is not None:
                raise KafkaException(done.error)


def _partition(message: Message) -> int:
    found = message.partition()
    assert found is not None
    return found


def _offset(message: Message) -> int:
    found = message.offset()
    assert found is not None
    return found


def _why(error: object, hidden: Sequence[str]) -> str:
    """Return Kafka's own words, without what is secret."""
    told = error.args[0] if isinstance(error, KafkaException) and error.args else error
    why = told.str() if isinstance(told, KafkaError) else str(told)
    for secret in hidden:
        why = why.replace(secret, "********")
    return why
