from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from detent.errors import ProjectError
from detent.project import load
from detent.records.expectation import Expectation, Suite
from detent.records.project import Changes, Source

TEXT = """\
project: p
pipeline: pipeline.py:retrain
data:
  flights:
    source: data/flights.parquet
    time: at
    key: id
    contract: contracts.py:Flights -> warn
    expect:
      - null_rate(delay) <= 5%
      - exists(dest in airports.faa) -> warn
      - {gx: expectations/flights.json, severity: warn}
  airports: {source: "s3://lake/airports.parquet", changes: etag or last}
  weather: {sql: "select * from weather", connection: WAREHOUSE_URL, changes: ttl 6h}
target: {data: flights, column: late}
features: features.py:features
gate: [roc_auc >= 0.65]
"""


def read(folder: Path, text: str = TEXT) -> dict[str, Source]:
    (folder / "detent.yaml").write_text(text)
    return {source.name: source for source in load(folder).data}


def test_a_dataset_says_where_it_comes_from_and_what_it_promises(tmp_path: Path) -> None:
    data = read(tmp_path)
    flights = data["flights"]
    assert (flights.contract, flights.contract_severity) == ("contracts.py:Flights", "warn")
    first, second, suite = flights.expect
    assert isinstance(first, Expectation)
    assert (first.name, first.threshold, first.line) == ("null_rate", 0.05, 10)
    assert isinstance(second, Expectation)
    assert (second.other, second.severity) == ("airports.faa", "warn")
    assert suite == Suite(path="expectations/flights.json", engine="auto", severity="warn", line=12)
    assert data["airports"].changes == Changes(kind="etag", or_last=True)
    weather = data["weather"]
    assert (weather.source, weather.sql) == ("sql:WAREHOUSE_URL", "select * from weather")
    assert weather.changes == Changes(kind="ttl", ttl=timedelta(hours=6))


@pytest.mark.parametrize("probe", ["probe probe.py:newest", "probe select max(at) from weather"])
def test_a_database_can_be_probed_by_code_or_by_a_select(tmp_path: Path, probe: str) -> None:
    data = read(tmp_path, TEXT.replace("ttl 6h", probe))
    assert data["weather"].changes == Changes(kind="probe", probe=probe.removeprefix("probe "))


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "words"),
    [
        (", changes: etag or last", "", 13, 13, "add `changes: etag | ttl 6h | probe"),
        (", changes: ttl 6h", "", 14, 12, "probe select max(updated_at)"),
        ("changes: etag or last", "changes: etg", 13, 61, "did you mean `etag`"),
        ("changes: etag or last", "changes: ttl soon", 13, 61, "no duration"),
        ("changes: etag or last", "changes: probe newest", 13, 61, "file.py:function"),
        ("changes: etag or last", "changes: etag 6h", 13, 61, "does not belong to etag"),
        ("changes: ttl 6h", "changes: etag", 14, 79, "a database has no etag"),
        ("changes: ttl 6h", "changes: ttl 0h", 14, 79, "never holds"),
        ("s3://lake", "https://me:secret@lake", 13, 22, "no place for secrets"),
        ("connection: WAREHOUSE_URL, ", "", 14, 12, "environment variable"),
        ("connection: WAREHOUSE_URL", 'connection: "sqlite:///x.db"', 14, 55, "never the URL itself"),
        ("    time: at", "    time: at\n    changes: etag", 7, 14, "looked at itself"),
        ("    time: at", "    time: at\n    connection: A", 5, 5, "for an SQL source"),
        ("null_rate(delay)", "null_rat(delay)", 10, 9, "did you mean `null_rate`"),
        ("null_rate(delay) <= 5%", "null_rate(delay) <= 5d", 10, 30, "no unit but %"),
        ("airports.faa", "airport.faa", 11, 24, "did you mean `airports`"),
        ("{gx: ", "{g: ", 12, 10, "did you mean `gx`"),
        ("-> warn\n    expect", "-> wran\n    expect", 8, 15, "did you mean `warn`"),
        ("contracts.py:Flights", "contracts.Flights", 8, 15, "file.py:name"),
    ],
)
def test_a_mistake_names_its_place_and_the_fix(
    tmp_path: Path, old: str, new: str, line: int, column: int, words: str
) -> None:
    assert old in TEXT
    with pytest.raises(ProjectError) as caught:
        read(tmp_path, TEXT.replace(old, new, 1))
    place = caught.value.where
    assert place is not None
    assert words in str(caught.value)
    assert "secret" not in str(caught.value).replace("holds a secret", "").replace("for secrets", "")
    assert (place.line, place.column) == (line, column)
