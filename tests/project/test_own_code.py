"""Functions of the project that the gate section names."""

from __future__ import annotations

from pathlib import Path

import pytest

from detent.errors import ProjectError
from detent.project import load

HEAD = """\
project: delay-risk
pipeline: pipeline.py:retrain
data: {flights: {source: data/flights.parquet, time: predict_at, key: flight_id}}
target: {data: flights, column: late}
features: {function: features.py:features, rows: flights}
gate:
  - roc_auc >= 0.6
"""


def _write(folder: Path, line: str, source: str = "def profit(y, score):\n    return 1.0\n") -> None:
    (folder / "detent.yaml").write_text(f"{HEAD}  - {line}\n")
    (folder / "metrics.py").write_text(source)


def test_a_function_is_found_without_running_its_file(tmp_path: Path) -> None:
    _write(tmp_path, "metric(metrics.py:profit) >= 1000", "def profit(y, score):\n    return 1.0\nraise SystemExit\n")
    check = load(tmp_path).gate[1]
    assert (check.kind, check.metric, check.code) == ("threshold", "profit", "metrics.py:profit")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("metric(metrics.py:proft) >= 1000", "did you mean `profit`"),
        ("check(metric.py:profit)", "did you mean `metrics.py`"),
        ("check(../metrics.py:profit)", "not in the project folder"),
        ("check(metrics:profit)", "file.py:name"),
    ],
)
def test_a_function_that_is_not_there_is_told_at_its_line(tmp_path: Path, line: str, words: str) -> None:
    _write(tmp_path, line)
    with pytest.raises(ProjectError) as caught:
        load(tmp_path)
    assert words in str(caught.value)
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line) == ("detent.yaml", 8)


@pytest.mark.parametrize(
    "source", ["from somewhere import profit", "import profit", "profit = max", "if True:\n    profit = max", "def ("]
)
def test_a_name_that_the_file_may_bind_is_left_to_its_import(tmp_path: Path, source: str) -> None:
    _write(tmp_path, "metric(metrics.py:profit) >= 1000", source)
    assert load(tmp_path).gate[1].code == "metrics.py:profit"


def test_the_policy_changes_with_the_file_that_a_line_names(tmp_path: Path) -> None:
    _write(tmp_path, "metric(metrics.py:profit) >= 1000")
    before = load(tmp_path).policy_digest
    assert load(tmp_path).policy_digest == before
    _write(tmp_path, "metric(metrics.py:profit) >= 1000", "def profit(y, score):\n    return 2000.0\n")
    assert load(tmp_path).policy_digest != before
