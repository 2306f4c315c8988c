"""Which rows nearly equal each other, share an entity or were known too late, and what permuted labels tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from detent.errors import ProjectError
from detent.loop.judging.controls import near_rows, permuted, touches
from detent.loop.runs.candidate import Candidate
from detent.loop.runs.datasets import Datasets, feature_columns, ingest_all
from detent.loop.workspace import Workspace, open_workspace
from detent.project.code import load_callable
from detent.records.signature import INTEGER, NUMBER, STRING, Field, Signature
from detent.statistics.metrics import METRICS

INPUTS = [f"x{index}" for index in range(8)]


def _frame(n: int, seed: int, *, levels: int = 0) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    values = draw.integers(0, levels, (n, 8)).astype(float) if levels else draw.normal(size=(n, 8))
    return pl.DataFrame({**{name: values[:, index] for index, name in enumerate(INPUTS)}, "y": draw.integers(0, 2, n)})


def test_rows_that_were_copied_with_a_little_noise_are_found() -> None:
    train, fresh = _frame(2000, 0), _frame(300, 1)
    copied = train.head(100).with_columns(pl.col(INPUTS) + 0.001)
    near, within = near_rows(pl.concat([fresh, copied]), train, INPUTS, label="y")
    assert near[:300].sum() == 0
    assert near[300:].mean() > 0.95
    assert within.sum() == 0


def test_rows_that_agree_in_all_inputs_but_one_are_found() -> None:
    train = _frame(2000, 0)
    changed = train.head(100).with_columns(x3=pl.lit(9.0))
    assert near_rows(changed, train, INPUTS, label="y")[0].all()
    two = changed.with_columns(x4=pl.lit(9.0))
    assert near_rows(two, train, INPUTS, label="y")[0].sum() == 0
    other_label = changed.with_columns(y=1 - pl.col("y"))
    assert near_rows(other_label, train, INPUTS, label="y")[0].sum() == 0


def test_texts_and_nulls_are_compared_as_they_are() -> None:
    train = pl.DataFrame({"a": ["x", None, "z"], "b": [1, 2, None], "y": [0, 1, 1]})
    rows = pl.DataFrame({"a": ["x", None, "x"], "b": [1, 2, None], "y": [0, 1, 1]})
    assert near_rows(rows, train, ["a", "b"], label="y")[0].tolist() == [True, True, False]


def test_rows_of_few_values_are_as_often_alike_on_either_side() -> None:
    near, within = near_rows(_frame(3000, 1, levels=2), _frame(3000, 0, levels=2), INPUTS, label="y")
    assert near.mean() == pytest.approx(within.mean(), abs=0.05)


@pytest.fixture
def shop(project: Path) -> Workspace:
    """A project that asks for every control."""
    lines = [
        "overlap(near) <= 1%",
        "overlap(by=customer) <= 99%",
        "overlap(known_later) <= 99%",
        "permuted(roc_auc) <= 0.6",
    ]
    text = (project / "detent.yaml").read_text()
    asked = "\n".join(f"  - {line}" for line in lines)
    (project / "detent.yaml").write_text(text.replace("  - size <= 50MB", f"  - size <= 50MB\n{asked}"))
    return open_workspace(project, actor="test")


def _candidate(ws: Workspace, datasets: Datasets, train: pl.DataFrame, rows: pl.DataFrame) -> Candidate:
    fields = [("channel", STRING), ("category", STRING), ("price", NUMBER), ("discount", NUMBER), ("items", INTEGER)]
    inputs = [*fields, *((name, NUMBER) for name in train.columns if name == "told")]
    signature = Signature(
        inputs=tuple(Field(name=name, kind=kind, nullable=False) for name, kind in inputs), output="probability"
    )
    return Candidate(
        run="run-0001", origin="pipeline", digest="d", folder=Path(), signature=signature, train=train, evaluation=rows,
        data_digest="rows", allowed_inputs=feature_columns(ws, datasets.frames),
    )  # fmt: skip


def _made(ws: Workspace) -> tuple[Datasets, Candidate]:
    """Return data with a candidate split by time, its features made by the project's function."""
    datasets = ingest_all(ws, ws.now())
    orders = datasets.frames["orders"].sort("placed_at")
    features = load_callable(ws.project.features.function, ws.folder)(orders)
    rows = features.join(orders.select("order_id", "returned"), on="order_id", maintain_order="left")
    cut = int(rows.height * 0.7)
    return datasets, _candidate(ws, datasets, rows.head(cut), rows.tail(rows.height - cut))


def test_shared_entities_and_late_labels_are_counted(shop: Workspace) -> None:
    datasets, candidate = _made(shop)
    found = touches(shop, candidate, datasets)
    known = set(candidate.train["customer"])
    assert found["entities:customer"].touching == sum(one in known for one in candidate.evaluation["customer"])
    assert found["entities:customer"].example in known
    first = candidate.evaluation["placed_at"].min()
    trained = datasets.frames["orders"].join(candidate.train.select("order_id"), on="order_id", how="semi")
    expected = trained.filter(pl.col("returned_known_at") > first).height
    assert found["known_later"].touching == expected > 0
    assert found["known_later"].rows == candidate.train.height
    assert found["near"].touching <= 0.05 * found["near"].rows


def test_a_column_that_the_rows_lack_names_the_line(shop: Workspace) -> None:
    datasets, candidate = _made(shop)
    bare = _candidate(shop, datasets, candidate.train.drop("customer"), candidate.evaluation)
    with pytest.raises(ProjectError, match="no column `customer`") as caught:
        touches(shop, bare, datasets)
    assert caught.value.where is not None
    assert caught.value.where.line


def test_trees_on_permuted_labels_know_nothing_of_an_honest_project(shop: Workspace) -> None:
    datasets, candidate = _made(shop)
    found = permuted(shop, candidate, datasets)
    assert found is not None
    assert (found.untold, found.inputs) == ("", 5)
    assert METRICS["roc_auc"].compute(found.y, found.score) == pytest.approx(0.5, abs=0.06)
    again = permuted(shop, candidate, datasets)
    assert again is not None
    np.testing.assert_array_equal(found.score, again.score)


def test_trees_on_permuted_labels_find_a_feature_that_is_made_from_labels(shop: Workspace) -> None:
    source = (shop.folder / "features.py").read_text()
    told = 'told=pl.col("returned").cast(pl.Float64).mean().over("customer"),\n        hour='
    (shop.folder / "features.py").write_text(source.replace("hour=", told, 1))
    datasets, candidate = _made(shop)
    found = permuted(shop, candidate, datasets)
    assert found is not None
    assert (found.untold, found.inputs) == ("", 6)
    assert METRICS["roc_auc"].compute(found.y, found.score) > 0.65


def test_a_feature_function_that_fails_on_permuted_labels_is_told(shop: Workspace) -> None:
    datasets, candidate = _made(shop)
    (shop.folder / "features.py").write_text("def features(orders):\n    raise ValueError('no')\n")
    found = permuted(shop, candidate, datasets)
    assert found is not None
    assert "`features` failed" in found.untold
