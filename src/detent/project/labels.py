"""The key `monitor.labels`: where the truth about predictions is fetched."""

from __future__ import annotations

from datetime import timedelta

from detent.project.durations import parse_duration
from detent.project.nodes import Value
from detent.records.project import LabelSource

QUERY = "sql:"
_KEYS = ("source", "id", "request", "value", "at", "every", "connection")


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
    source, connection = place.text(), section.read("connection", Value.text, None)
    if source.startswith(QUERY) != (connection is not None):
        raise place.error(
            "a query needs a database, and a file needs none",
            "write `connection: NAME` of the environment variable with the database's URL beside a `sql:` source only",
        )
    if not source.startswith(QUERY) and not source.endswith((".parquet", ".csv")):
        raise place.error(f"`{source}` is no table", "name a .parquet or .csv file, or write `sql:SELECT ...`")
    return LabelSource(
        source=source,
        field=field,
        name=section.need(field, "prediction_id").text(),
        value=section.read("value", Value.text, "label"),
        at=section.read("at", Value.text, None),
        every=section.read("every", lambda value: value.parsed(parse_duration), timedelta(hours=1)),
        connection=connection,
    )
