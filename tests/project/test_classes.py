"""A multiclass task in detent.yaml: its classes, and what it can't ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from detent.errors import ProjectError
from detent.project import load

GOOD = """\
project: shapes
pipeline: pipeline.py:retrain
data: {shapes: {source: data/shapes.parquet, time: at, key: id}}
target: {data: shapes, column: shape, task: multiclass, classes: [round, flat, 3]}
features: features.py:features
gate:
  - accuracy >= 0.5
serving: {endpoint: shapes}
rollout: {stages: [100%]}
monitor: {window: 1h}
"""


def read(folder: Path, old: str = "", new: str = ""):
    assert old in GOOD
    (folder / "detent.yaml").write_text(GOOD.replace(old, new))
    return load(folder)


def test_classes_are_sorted_so_that_their_order_means_nothing(tmp_path: Path) -> None:
    project = read(tmp_path)
    assert project.target.classes == ("3", "flat", "round")
    assert project.monitor.quality == "accuracy"
    other = read(tmp_path, "[round, flat, 3]", "[3, round, flat]")
    assert other.target == project.target


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (", classes: [round, flat, 3]", "", "`classes` is missing"),
        ("[round, flat, 3]", "[round, flat]", "2 classes are no multiclass task"),
        ("[round, flat, 3]", "[round, flat, round]", "`round` stands there twice"),
        ("[round, flat, 3]", str(list(range(101))), "there are 101 classes"),
        ("task: multiclass", "task: regression", "a regression task has no classes"),
        ("- accuracy >= 0.5", "- top_3 >= 0.9", "always among the first 3"),
        ("- accuracy >= 0.5", "- parity(by=sex) <= 0.1", "has a probability for each class"),
        ("- accuracy >= 0.5", "- monotone(size, up) <= 1%", "has a probability for each class"),
        ("- accuracy >= 0.5", "- invariant(size) <= 1%", "has a probability for each class"),
        ("column: shape,", "column: shape, group: box,", "lists and forecasts"),
        ("{endpoint: shapes}", "{endpoint: shapes, fallback: [{score: 0.5}]}", "a fallback score is one number"),
        ("{window: 1h}", "{window: 1h, audit: 5}", "people are asked for one number"),
    ],
)
def test_what_does_not_fit_is_refused_when_the_project_is_read(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read(tmp_path, old, new)
    assert told in caught.value.why
    assert caught.value.where is not None


def test_the_line_of_a_check_that_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as caught:
        read(tmp_path, "- accuracy >= 0.5", "- accuracy >= 0.5\n  - parity(by=sex) <= 0.1")
    assert caught.value.where is not None
    assert caught.value.where.line == 8
