from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from detent.errors import ProjectError
from detent.project import load

GOOD = """\
project: delay-risk
pipeline: pipeline.py:retrain
params: {horizon_days: 60, learning_rate: 0.05}
data:
  flights: {source: data/flights.parquet, time: predict_at, key: flight_id, contract: contracts.py:Flights}
  outcomes: {source: data/outcomes.parquet, time: landed_at, key: flight_id}
target: {data: outcomes, column: late}
features: {function: features.py:features, rows: flights, entity: tailnum}
gate:
  - roc_auc >= 0.65
  - roc_auc >= champion - 0.005 at 95%   # paired
  - gap(roc_auc, by=origin) <= 0.08
  - latency_p99 <= 20ms
  - size <= 50MB
serving: {endpoint: delay-risk, fallback: previous}
rollout: {stages: [shadow, 1%, 5%, 25%, 50%, 100%]}
monitor: {window: 1d, labels_within: 1d, channels: [log, {kind: webhook, url: "http://127.0.0.1:1/x", secret: HOOK}]}
trigger: {cron: "0 3 * * 1", drift: critical, new_rows: 50000, cooldown: 6h, budget: 4/day}
"""


def write(folder: Path, text: str) -> Path:
    (folder / "detent.yaml").write_text(text)
    return folder


def test_a_whole_project_decodes(tmp_path: Path) -> None:
    project = load(write(tmp_path, GOOD))
    assert project.name == "delay-risk"
    assert dict(project.params) == {"horizon_days": 60, "learning_rate": 0.05}
    assert [check.kind for check in project.gate] == ["threshold", "versus", "gap", "latency", "size"]
    versus = project.gate[1]
    assert (versus.threshold, versus.confidence, versus.line) == (-0.005, 0.95, 11)
    assert project.gate[3].threshold == pytest.approx(0.02)
    assert project.gate[4].threshold == 50e6
    assert project.gate[2].by == "origin"
    assert [stage.weight for stage in project.rollout.stages] == [0, 100, 500, 2500, 5000, 10_000]
    assert (project.trigger.budget, project.trigger.budget_period) == (4, timedelta(days=1))
    assert project.monitor.channels[1].secret == "HOOK"


@pytest.mark.parametrize(
    ("text", "kind", "op", "threshold"),
    [
        ("leakage <= 0.999", "leakage", "<=", 0.999),
        ("leakage <= 99.9%", "leakage", "<=", 0.999),
        ("latency_p50 < 500us", "latency", "<", 5e-4),
        ("latency_p99 <= 1s", "latency", "<=", 1.0),
        ("size < 2MiB", "size", "<", 2 * 1024.0**2),
        ("size <= 5000", "size", "<=", 5000.0),
        ("roc_auc >= 65%", "threshold", ">=", 0.65),
        ("roc_auc >= champion - 1%", "versus", ">=", -0.01),
        ("gap(roc_auc, by=origin) <= 8%", "gap", "<=", 0.08),
    ],
)
def test_a_quantity_is_read_in_the_unit_of_its_kind(
    tmp_path: Path, text: str, kind: str, op: str, threshold: float
) -> None:
    check = load(write(tmp_path, GOOD.replace("size <= 50MB", text))).gate[4]
    assert (check.kind, check.op, check.text) == (kind, op, text)
    assert check.threshold == pytest.approx(threshold)


def test_every_known_sabotage_can_be_named(tmp_path: Path) -> None:
    text = GOOD + "simulate: {sabotage: {leak: 2013-05-22, raising: 2013-10-02}}\n"
    assert [kind for kind, _ in load(write(tmp_path, text)).simulate.sabotage] == ["leak", "raising"]


def test_the_policy_digest_follows_the_gate_and_not_its_layout(tmp_path: Path) -> None:
    digest = load(write(tmp_path, GOOD)).policy_digest
    spaced = GOOD.replace("roc_auc >= 0.65", "roc_auc   >=  0.65")
    assert load(write(tmp_path, spaced)).policy_digest == digest
    assert load(write(tmp_path, GOOD.replace("0.65", "0.66"))).policy_digest != digest


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "words"),
    [
        ("pipeline: pip", "pipelin: pip", 2, 1, "did you mean `pipeline`"),
        ("time: predict_at", "tme: predict_at", 5, 43, "did you mean `time`"),
        ("data: outcomes", "data: outcome", 7, 16, "did you mean `outcomes`"),
        ("rows: flights", "rows: flghts", 8, 50, "did you mean `flights`"),
        ("roc_auc >= 0.65", "roc_auc => 0.65", 10, 13, "a comparison"),
        ("roc_auc >= 0.65", "roc_auc >=", 10, 15, "a number"),
        ("at 95%   ", "at 95   ", 11, None, "%"),
        ("by=origin", "by origin", 12, None, "="),
        ("50MB", "50 parsecs", 14, None, "unexpected `parsecs`"),
        ("fallback: previous", "fallback: prevous", 15, 43, "did you mean `previous`"),
        ("50%, 100%]", "50%]", 16, 19, "100%"),
        ("[shadow, 1%", "[shadow, 7%", 16, 19, "grow"),
        ("[shadow, 1%", "[shadow, one", 16, 28, "no stage"),
        ("window: 1d", "window: soon", 17, 19, "no duration"),
        ("window: 1d", "window: 7", 17, 19, "write for example 7s, 7m, 7h or 7d"),
        ('"0 3 * * 1"', '"0 3 * *"', 18, 17, "no cron"),
        ("new_rows: 50000", "new_rows: many", 18, None, "a number is needed"),
        ("budget: 4/day", "budget: 4", 18, None, "a text is needed"),
        ("drift: critical", "drift: info", 18, None, "critical"),
        ("project: delay-risk", "project: Delay Risk", 1, 10, "small letters"),
        ("pipeline.py:retrain", "pipeline.retrain", 2, 11, "file.py:name"),
        ("latency_p99 <= 20ms", "latency_p99 <= 20", 13, 20, "write 20ms"),
        ("latency_p99 <= 20ms", "latency_p99 <= 20MB", 13, 22, "one of us, ms, s"),
        ("latency_p99 <= 20ms", "latency_p99 <= 20%", 13, 22, "the unit `%` does not fit"),
        ("latency_p99 <= 20ms", "latency_p99 >= 20ms", 13, 17, "write `latency_p99 <= 20ms`"),
        ("latency_p99 <= 20ms", "leakage <= champion", 13, 5, "a fixed limit only"),
        ("size <= 50MB", "size <= 50ms", 14, 15, "one of B, kB"),
        ("size <= 50MB", "size <= 50%", 14, 15, "such as 50MB"),
        ("size <= 50MB", "size > 50MB", 14, 10, "write `size <= 50MB`"),
        ("roc_auc >= 0.65", "roc_auc >= 65ms", 10, 18, "takes no unit but %"),
        ("champion - 0.005", "champion - 5ms", 11, 28, "takes no unit but %"),
        ("by=origin) <= 0.08", "by=origin) <= 8MB", 12, 33, "takes no unit but %"),
        ("gap(roc_auc", "gap(size", 12, 9, "a fixed limit only"),
        ("at 95% ", "at 40% ", 11, 36, "40% is no confidence"),
        ("size <= 50MB", "leakage >= 0.999", 14, 13, "write `leakage <= 0.999`"),
        ("size <= 50MB", "leakage < 0.999", 14, 13, "written with `<=`"),
        ("size <= 50MB", "leakage <= 1.01", 14, 16, "between 0.5 and 1"),
        ("size <= 50MB", "leakage <= 0.49", 14, 16, "between 0.5 and 1"),
        ("size <= 50MB", "leakage <= 0.99ms", 14, 20, "takes no unit but %"),
        ("size <= 50MB", "leakage <= 0.99 at 95%", 14, 24, "no confidence"),
        ("size <= 50MB", "leakage <= champion", 14, 5, "a fixed limit only"),
        ("size <= 50MB", "leakage <= 0.99\n  - leakage <= 1", 15, 5, "twice"),
        ("size <= 50MB", "baseline > 0.4", 14, 5, "always on"),
        ("size <= 50MB", "overlap <= 0.5", 14, 5, "always on"),
        ("size <= 50MB", "provenance <= 1", 14, 5, "always on"),
        ("channels: [log,", "channels: [lgo,", 17, None, "did you mean `log`"),
        ("kind: webhook", "kind: webhok", 17, None, "did you mean `webhook`"),
        ("rollout: {", "simulate: {sabotage: {laek: 2013-05-22}}\nrollout: {", 16, 23, "did you mean `leak`"),
    ],
)
def test_a_mistake_names_its_line_and_column_and_the_near_miss(
    tmp_path: Path, old: str, new: str, line: int, column: int | None, words: str
) -> None:
    assert old in GOOD
    with pytest.raises(ProjectError) as caught:
        load(write(tmp_path, GOOD.replace(old, new, 1)))
    place = caught.value.where
    assert place is not None
    assert (place.file, place.line) == ("detent.yaml", line)
    if column is not None:
        assert place.column == column
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("project: a\n  b: c: d\n", "not YAML"),
        ("- a\n- b\n", "keys with values"),
        ("project: a\nproject: b\n", "twice"),
        ("project: x\n", "`data` is missing"),
        (GOOD.replace("key: flight_id, contract", "contract", 1), "no key or no time"),
        (GOOD[: GOOD.index("gate:")] + "gate: []\n", "lets everything through"),
        (GOOD.replace("60,", "!!python/object/apply:os.system [true],"), "YAML can't build it"),
    ],
)
def test_a_broken_file_is_a_clear_error(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ProjectError) as caught:
        load(write(tmp_path, text))
    assert words in str(caught.value)


def test_a_missing_file_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no detent.yaml") as caught:
        load(tmp_path)
    assert "detent new" in caught.value.fix
