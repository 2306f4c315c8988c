from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from detent.errors import ProjectError
from detent.project.monitor import read_monitor
from detent.project.nodes import read_yaml
from detent.records.project import LabelSource, MonitorPlan, Target

TARGET = Target(data="orders", column="late", known_at=None, task="binary")


def read(folder: Path, text: str) -> MonitorPlan:
    (folder / "monitor.yaml").write_text(text, encoding="utf-8")
    return read_monitor(read_yaml(folder / "monitor.yaml"), TARGET)


def test_places_that_labels_come_from_are_read(tmp_path: Path) -> None:
    plan = read(
        tmp_path,
        "labels:\n"
        "  - {source: truth.parquet, id: prediction_id, value: late, at: told, every: 30m}\n"
        '  - {source: "sql:SELECT a, b FROM t", request: a, value: b, connection: SHOP_DB}\n'
        "concept: page_hinkley\ntolerance: 5%\naudit: 20\n",
    )
    assert plan.labels == (
        LabelSource(
            source="truth.parquet", field="id", name="prediction_id", value="late", at="told",
            every=timedelta(minutes=30),
        ),
        LabelSource(
            source="sql:SELECT a, b FROM t", field="request", name="a", value="b", connection="SHOP_DB"
        ),
    )  # fmt: skip
    assert (plan.concept, plan.tolerance, plan.audit) == ("page_hinkley", 0.05, 20)


def test_a_topic_has_servers_or_settings_and_may_have_a_group(tmp_path: Path) -> None:
    plan = read(
        tmp_path,
        "labels:\n"
        "  - {source: 'kafka:truth.v1', id: a, servers: 'one:9092,two:9092', group: shop}\n"
        "  - {source: 'kafka:truth.v1', request: a, connection: SHOP_KAFKA, every: 1m}\n",
    )
    assert plan.labels == (
        LabelSource(source="kafka:truth.v1", field="id", name="a", servers="one:9092,two:9092", group="shop"),
        LabelSource(
            source="kafka:truth.v1", field="request", name="a", connection="SHOP_KAFKA", every=timedelta(minutes=1)
        ),
    )


def test_a_topic_has_settings_by_the_names_of_librdkafka_and_secrets_by_the_names_of_variables(tmp_path: Path) -> None:
    plan = read(
        tmp_path,
        "labels:\n"
        "  - source: kafka:truth\n    id: a\n    servers: one:9093\n"
        "    settings:\n      security.protocol: SASL_SSL\n      enable.ssl.certificate.verification: true\n"
        "      socket.timeout.ms: 500\n"
        "    secrets: {sasl.password: KAFKA_PASSWORD}\n",
    )
    assert plan.labels[0].settings == (
        ("security.protocol", "SASL_SSL"), ("enable.ssl.certificate.verification", "true"),
        ("socket.timeout.ms", "500"),
    )  # fmt: skip
    assert plan.labels[0].secrets == (("sasl.password", "KAFKA_PASSWORD"),)


@pytest.mark.parametrize(
    ("key", "line", "why"),
    [
        ("settings", "sasl.password: hunter2", "no secret belongs into this file"),
        ("settings", "sasl.mechanisn: PLAIN", "sasl.mechanism"),
        ("settings", "group.id: mine", "can't be set here"),
        ("settings", "security.protocol: TLS", "is no protocol"),
        ("settings", "ssl.ca.location: [a]", "a text, a whole number"),
        ("secrets", "sasl.username: KAFKA_USER", "no key of this section"),
        ("secrets", "sasl.password: hunter2", "no name of an environment variable"),
    ],
)
def test_mistakes_in_settings_are_told_with_their_line(tmp_path: Path, key: str, line: str, why: str) -> None:
    text = f"labels:\n  - source: kafka:truth\n    id: a\n    servers: one:9093\n    {key}:\n      {line}\n"
    with pytest.raises(ProjectError) as caught:
        read(tmp_path, text)
    assert why in str(caught.value)
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line) == ("monitor.yaml", 6)
    assert "hunter2" not in str(caught.value)


def test_a_file_has_no_settings_of_kafka(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="only Kafka has"):
        read(tmp_path, "labels:\n  - {source: a.csv, id: a, settings: {security.protocol: SSL}}\n")


def test_without_a_word_there_are_none(tmp_path: Path) -> None:
    plan = read(tmp_path, "window: 1d\n")
    assert (plan.labels, plan.concept, plan.tolerance, plan.audit) == ((), "edetector", 0.1, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("labels: [{source: a.csv}]", "one of `id` and `request`"),
        ("labels: [{source: a.csv, id: x, request: y}]", "one of `id` and `request`"),
        ('labels: [{source: "sql:SELECT 1", id: x}]', "needs a database"),
        ("labels: [{source: a.csv, id: x, connection: DB}]", "a file needs none"),
        ("labels: [{source: a.xlsx, id: x}]", "is no table"),
        ('labels: [{source: "kafka:truth", id: x}]', "needs its servers"),
        ('labels: [{source: "kafka:a b", id: x, servers: "one:1"}]', "names no topic"),
        ('labels: [{source: "kafka:", id: x, servers: "one:1"}]', "names no topic"),
        ('labels: [{source: a.csv, id: x, servers: "one:1"}]', "only Kafka"),
        ("labels: [{source: a.csv, id: x, value: x}]", "two of its columns have one name"),
        ("labels: [{id: x}]", "`source` is missing"),
        ("labels: [{source: a.csv, id: x, ever: 1h}]", "did you mean"),
        ("concept: adwim", "adwin"),
        ("audit: -1", "out of range"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)
    assert caught.value.where is not None
    assert caught.value.where.line == 1
