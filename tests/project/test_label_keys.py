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
        ("labels: [{source: a.json, id: x}]", "is no table"),
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
