"""Pipelines that tell the gate something untrue about themselves; none of them may register its first version."""

from __future__ import annotations

from pathlib import Path

import pytest

from detent.loop.train import train
from detent.loop.workspace import open_workspace
from detent.pipeline.executors.local import LocalExecutor

from .conftest import REQUEST

SPLIT = "    parts = split(labelled(orders, history_days), evaluate_days)\n"
TRAIN = "    model = train(parts.train, trees, learning_rate, seed)\n"
STEPS = """
@step
def together(train: pl.DataFrame, evaluation: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([train, evaluation, evaluation, evaluation])


@step
def relabelled(rows: pl.DataFrame) -> pl.DataFrame:
    easy = pl.col("category").is_in(["shoes", "coats"]).cast(pl.Int64)
    return rows.with_columns(returned=pl.when(pl.int_range(pl.len()) % 3 == 0).then(easy).otherwise("returned"))


@step
def moved(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("placed_at") + pl.duration(days=90))


@step
def repeated(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows, rows])


@pipeline
"""
LIES = {
    "evaluation rows were trained on and not declared": (
        TRAIN, TRAIN.replace("parts.train", "together(parts.train, parts.evaluation)"), "rows declared as `train`",
    ),
    "evaluation labels are not the data's": (
        "evaluation=parts.evaluation)", "evaluation=relabelled(parts.evaluation))", "have another `returned`",
    ),
    "evaluation times are not the data's": (
        "evaluation=parts.evaluation)", "evaluation=moved(parts.evaluation))", "have another `placed_at`",
    ),
    "evaluation rows stand twice": (
        "evaluation=parts.evaluation)", "evaluation=repeated(parts.evaluation))", "stand more than once",
    ),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_pipeline_that_says_something_untrue_about_its_rows_is_refused(
    project: Path, executor: LocalExecutor, lie: str
) -> None:
    old, new, words = LIES[lie]
    code = (project / "pipeline.py").read_text()
    assert old in code
    (project / "pipeline.py").write_text(code.replace(old, new).replace("\n@pipeline\n", STEPS))
    outcome = train(open_workspace(project, actor="test"), REQUEST, executor=executor)
    assert outcome.version is None
    reasons = [result.reason for result in outcome.verdict.results if result.kind == "provenance"]
    assert words in reasons[0]


FEATURES = {
    "made from the label": ("hour=", 'hint=pl.col("returned") * (pl.col("items") > 2),\n        hour=', "hint"),
    "made from when the label came": (
        "hour=", 'wait=(pl.col("returned_known_at") - pl.col("placed_at")).dt.total_hours(),\n        hour=', "wait",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FEATURES)
def test_a_feature_that_is_made_from_what_it_predicts_is_refused(
    project: Path, executor: LocalExecutor, what: str
) -> None:
    old, new, name = FEATURES[what]
    code = (project / "features.py").read_text()
    (project / "features.py").write_text(code.replace(old, new, 1))
    outcome = train(open_workspace(project, actor="test"), REQUEST, executor=executor)
    assert outcome.version is None
    assert f"the input `{name}`" in outcome.verdict.reason
