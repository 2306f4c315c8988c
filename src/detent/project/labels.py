"""The key `monitor.labels`: where the truth about predictions is fetched."""

from __future__ import annotations

import re
from datetime import timedelta

from detent.project.kafka_settings import read_secrets, read_settings
from detent.project.nodes import Value
from detent.records.project import LabelSource

QUERY, TOPIC = "sql:", "kafka:"
FILES = (".parquet", ".csv", ".jsonl", ".ndjson")  # suffixes of files with labels
_KEYS = ("source", "id", "request", "value", "at", "every", "connection", "servers", "group", "settings", "secrets")


def read_labels(value: Value) -> tuple[LabelSource, ...]:
    """Read the list of label sources.

    Raises:
        ProjectError: with the place and what is expected there.
    """
    return tuple(_source(item) for item in value.items())


def _source(item: Value) -> LabelSource:
    section = item.section(_KEYS)
    place = section.need("source", "labels.parquet")
    if ("id" in section) == ("request" in section):
        raise item.error(
            "it must say how its rows name a prediction, by one of `id` and `request`",
            "write `id: COLUMN` for ids of predictions, or `request: COLUMN` for the caller's own names of requests",
        )
    field = "id" if "id" in section else "request"
    connection = section.read("connection", Value.text, None)
    servers, group = section.read("servers", Value.text, None), section.read("group", Value.text, None)
    settings, secrets = section.read("settings", read_settings, ()), section.read("secrets", read_secrets, ())
    source = place.text()
    if source.startswith(TOPIC):
        _check_topic(place, source, reachable=connection is not None or servers is not None)
    else:
        _check_table(place, source, connection)
        if servers is not None or group is not None or settings or secrets:
            why = "only Kafka has `servers`, a `group`, `settings` and `secrets`"
            raise place.error(why, "leave them out, or write `kafka:TOPIC`")
    name, value = section.need(field, "prediction_id").text(), section.read("value", Value.text, "label")
    at = section.read("at", Value.text, None)
    if len({name, value, at}) < 3:
        raise item.error("two of its columns have one name", f"`{field}`, `value` and `at` are different columns")
    return LabelSource(
        source=source,
        field=field,
        name=name,
        value=value,
        at=at,
        every=section.read("every", Value.duration, timedelta(hours=1)),
        connection=connection,
        servers=servers,
        group=group,
        settings=settings,
        secrets=secrets,
    )


def _check_topic(place: Value, source: str, *, reachable: bool) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", source.removeprefix(TOPIC)):
        raise place.error(f"`{source}` names no topic", "write `kafka:TOPIC`, of letters, digits, `.`, `_` and `-`")
    if not reachable:
        raise place.error(
            "a topic needs its servers",
            "write `servers: HOST:PORT`, or `connection: NAME` of the environment variable with Kafka's settings",
        )


def _check_table(place: Value, source: str, connection: str | None) -> None:
    if source.startswith(QUERY) != (connection is not None):
        raise place.error(
            "a query needs a database, and a file needs none",
            "write `connection: NAME` of the environment variable with the database's URL beside a `sql:` source only",
        )
    if not source.startswith(QUERY) and not source.endswith(FILES):
        raise place.error(
            f"`{source}` is no table",
            "name a .parquet, .csv or .jsonl file, or write `sql:SELECT ...` or `kafka:TOPIC`",
        )
