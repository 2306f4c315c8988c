"""Models of several classes: text labels in, one exported graph with a probability per class out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from detent.bundle import codec
from detent.bundle.golden import difference
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.errors import DataError
from detent.training import Model, lightgbm, sklearn
from detent.training.table import columns_of

QUICK: dict[str, Any] = {"num_iterations": 15, "num_leaves": 7, "min_data_in_leaf": 5}


def iris() -> pl.DataFrame:
    data: Any = load_iris()
    names = [name.split(" (")[0].replace(" ", "_") for name in data.feature_names]
    frame = pl.DataFrame({name: data.data[:, place] for place, name in enumerate(names)})
    colour = ["light" if width > 1.0 else "dark" for width in data.data[:, 3]]
    return frame.with_columns(
        pl.Series("colour", [None if place % 11 == 0 else text for place, text in enumerate(colour)]),
        pl.Series("species", [str(data.target_names[code]) for code in data.target]),
    )


def scores_of(model: Model, frame: pl.DataFrame) -> np.ndarray:
    return OnnxPredictor(model.onnx, model.signature).predict(columns_of(frame, model.signature))


def test_trees_of_three_classes_give_probabilities_in_the_order_of_the_names(tmp_path: Path) -> None:
    frame = iris()
    model = lightgbm(frame, label="species", task="multiclass", **QUICK)
    assert model.signature.output == "probabilities"
    assert model.signature.classes == ("setosa", "versicolor", "virginica")
    scores = scores_of(model, frame)
    assert scores.shape == (150, 3)
    assert np.abs(scores.sum(axis=1) - 1.0).max() < 1e-6
    told = np.array(model.signature.classes)[scores.argmax(axis=1)]
    assert (told == frame["species"].to_numpy()).mean() > 0.95
    model.save(tmp_path)
    again = Model.load(tmp_path)
    assert again == model
    assert difference(again.golden, OnnxPredictor(again.onnx, again.signature)) == 0.0


def test_the_graph_gives_what_lightgbm_gives_on_rows_that_it_never_saw() -> None:
    data: Any = load_wine()
    frame = pl.DataFrame({f"f{place}": data.data[:, place].astype(np.float32) for place in range(13)})
    frame = frame.with_columns(wine=pl.Series([f"class {code}" for code in data.target]))
    kept = np.arange(178) % 3 != 0
    model = lightgbm(frame.filter(pl.Series(kept)), label="wine", task="multiclass", **QUICK)
    params: dict[str, Any] = {**QUICK, "objective": "multiclass", "num_class": 3, "seed": 0, "learning_rate": 0.05,
              "deterministic": True, "force_row_wise": True, "verbosity": -1, "num_threads": 1}  # fmt: skip
    rounds = params.pop("num_iterations")
    rows = data.data.astype(np.float32)
    native = lgb.train(params, lgb.Dataset(rows[kept], data.target[kept]), num_boost_round=rounds)
    theirs = native.predict(rows[~kept], num_threads=1)
    assert np.abs(scores_of(model, frame.filter(pl.Series(~kept))) - theirs).max() < 1e-5


def test_the_same_rows_and_seed_give_the_same_bytes_whatever_order_the_classes_come_in() -> None:
    frame = iris()
    assert lightgbm(frame, label="species", task="multiclass", **QUICK).onnx == (
        lightgbm(frame, label="species", task="multiclass", **QUICK).onnx
    )
    turned = lightgbm(frame.reverse(), label="species", task="multiclass", **QUICK)
    assert turned.signature.classes == ("setosa", "versicolor", "virginica")


@pytest.mark.parametrize("estimator", [LogisticRegression(max_iter=500), RandomForestClassifier(10, max_depth=4)])
def test_a_classifier_of_scikit_learn_learns_classes_by_their_names(estimator: object) -> None:
    frame = iris()
    model = sklearn(frame, estimator=estimator, label="species", seed=3)  # pyright: ignore[reportArgumentType]
    assert model.task == "multiclass"
    scores = scores_of(model, frame)
    assert scores.shape == (150, 3)
    assert (np.array(model.signature.classes)[scores.argmax(axis=1)] == frame["species"].to_numpy()).mean() > 0.9


def test_a_signature_without_classes_has_the_bytes_that_it_always_had() -> None:
    frame = iris().with_columns(label=pl.col("species") == "setosa").drop("species")
    signature = lightgbm(frame, label="label", **QUICK).signature
    assert b"classes" not in codec.signature_to_json(signature)
    assert codec.signature_from_json(codec.signature_to_json(signature)) == signature


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["a", "b"] * 75, "it has 2 classes"),
        ([f"c{number}" for number in range(150)], "it has 150 classes"),
        (["a", "b", None] * 50, "50 of 150 labels are null"),
        ([0.5, 1.5, 2.5] * 50, "it holds Float64"),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels: list[object], told: str) -> None:
    frame = iris().with_columns(pl.Series("species", labels))
    with pytest.raises(DataError) as caught:
        lightgbm(frame, label="species", task="multiclass", **QUICK)
    assert told in caught.value.why


def test_an_objective_whose_answers_do_not_sum_to_one_is_refused() -> None:
    with pytest.raises(DataError, match="does not fit a multiclass task"):
        lightgbm(iris(), label="species", task="multiclass", objective="multiclassova")
