from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import lightgbm as native
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from detent.bundle.golden import difference
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.errors import DataError
from detent.records.signature import Field
from detent.training import Model, lightgbm
from detent.training.export.trees import floor32
from detent.training.golden import UNSEEN

from .conftest import EXCLUDE, make_frame

ROW = {"temp": [3.0], "hour": [9], "holiday": [True], "origin": ["EWR"], "gusts": [4]}


def test_the_signature_says_what_training_saw(model: Model) -> None:
    assert model.signature.inputs == (
        Field(name="temp", kind="number", nullable=True),
        Field(name="hour", kind="integer", nullable=False),
        Field(name="holiday", kind="boolean", nullable=False),
        Field(name="origin", kind="string", nullable=True),
        Field(name="gusts", kind="integer", nullable=True),
    )
    assert (model.signature.output, model.task, model.label) == ("probability", "binary", "late")


def test_the_model_learns(model: Model) -> None:
    later = make_frame(seed=9)
    columns = {field.name: later[field.name].to_list() for field in model.signature.inputs}
    scores = OnnxPredictor(model.onnx, model.signature).predict(columns)
    assert roc_auc_score(later["late"].to_numpy(), scores) > 0.68
    assert 0.0 < scores.min() < scores.max() < 1.0


def test_nulls_and_unknown_categories_get_a_score(model: Model) -> None:
    predictor = OnnxPredictor(model.onnx, model.signature)
    scores = {
        origin: float(predictor.predict({**ROW, "origin": [origin]})[0]) for origin in ("EWR", "LGA", "XXX", None, "")
    }
    assert scores["XXX"] < scores["EWR"]
    assert all(0.0 < score < 1.0 for score in scores.values())
    assert scores[None] == scores[""]
    assert np.isfinite(predictor.predict({"hour": [9], "holiday": [False]})).all()


def test_booleans_may_come_as_numbers(model: Model) -> None:
    predictor = OnnxPredictor(model.onnx, model.signature)
    assert predictor.predict({**ROW, "holiday": [1]}) == predictor.predict(ROW)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(train: pl.DataFrame, model: Model) -> None:
    assert lightgbm(train, label="late", exclude=EXCLUDE, seed=1, num_iterations=30) == model
    one, other = (
        lightgbm(
            train, label="late", exclude=EXCLUDE, seed=seed, num_iterations=5, bagging_fraction=0.5, bagging_freq=1
        )
        for seed in (1, 2)
    )
    assert one.onnx != other.onnx


def test_threads_do_not_change_the_model(train: pl.DataFrame) -> None:
    one, two = (lightgbm(train, label="late", exclude=EXCLUDE, num_iterations=3, num_threads=count) for count in (1, 2))
    assert one == two


def test_another_process_with_another_hash_seed_gives_the_same_bytes(model: Model, tmp_path: Path) -> None:
    code = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from training.conftest import EXCLUDE, make_frame
from detent.training import lightgbm
model = lightgbm(make_frame().drop("delay"), label="late", exclude=EXCLUDE, seed=1, num_iterations=30)
sys.stdout.write(hashlib.sha256(model.onnx).hexdigest())
"""
    source, tests = (str(Path(__file__).parents[2] / name) for name in ("src", "tests"))
    environment = {"PYTHONHASHSEED": "77", "PYTHONPATH": source, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code, tests], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == hashlib.sha256(model.onnx).hexdigest()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_threshold_rounded_down_sends_every_float32_the_same_way(threshold: float) -> None:
    low = floor32(threshold)
    near = np.float32(low)
    with np.errstate(over="ignore"):
        around = [near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))]
    assert all((float(x) <= threshold) == (float(x) <= low) for x in around)


def test_neighbouring_float32_values_are_kept_apart_as_in_lightgbm() -> None:
    # Here a threshold rounded to the nearest float32 sends half of the rows the wrong way.
    low = np.float32(16777216.0)
    values = np.tile([low, np.nextafter(low, np.float32(np.inf))], 200).astype(np.float64)
    frame = pl.DataFrame({"x": values, "y": np.tile([0, 1], 200)})
    model = lightgbm(frame, label="y", num_iterations=5, min_data_in_leaf=5)
    scores = OnnxPredictor(model.onnx, model.signature).predict({"x": values.tolist()})
    assert roc_auc_score(frame["y"].to_numpy(), scores) == 1.0


def test_a_null_where_training_saw_none_goes_where_lightgbm_sends_it() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 1)).astype(np.float32)
    y = (x[:, 0] > 0.5).astype(float)
    model = lightgbm(pl.DataFrame({"x": x[:, 0], "y": y}), label="y", num_iterations=10, seed=0)
    params = {"objective": "binary", "num_leaves": 31, "learning_rate": 0.05, "verbosity": -1, "num_threads": 1}
    booster = native.train(
        {**params, "seed": 0, "deterministic": True, "force_row_wise": True}, native.Dataset(x, y), 10
    )
    score = OnnxPredictor(model.onnx, model.signature).predict({"x": [None]})
    np.testing.assert_allclose(score, booster.predict(np.array([[np.nan]])), atol=1e-6)


@pytest.mark.parametrize("objective", ["regression", "regression_l1", "huber", "quantile", "poisson", "tweedie"])
def test_every_regression_objective_exports_with_its_link(frame: pl.DataFrame, objective: str) -> None:
    positive = frame.with_columns(pl.col("delay").clip(0.5, None))
    model = lightgbm(
        positive, label="delay", exclude=(*EXCLUDE, "late"), task="regression", objective=objective, num_iterations=20
    )
    assert model.signature.output == "value"
    columns = {field.name: frame[field.name].to_list() for field in model.signature.inputs}
    scores = OnnxPredictor(model.onnx, model.signature).predict(columns)
    assert np.corrcoef(scores, positive["delay"].to_numpy())[0, 1] > 0.5


def test_a_sigmoid_of_another_slope_and_unbalanced_weights_export(train: pl.DataFrame) -> None:
    lightgbm(train, label="late", exclude=EXCLUDE, num_iterations=10, sigmoid=0.5, is_unbalance=True, boosting="dart")


def test_one_leaf_is_a_model_too(train: pl.DataFrame) -> None:
    model = lightgbm(train.head(30), label="late", exclude=EXCLUDE, min_data_in_leaf=20, num_iterations=3)
    scores = OnnxPredictor(model.onnx, model.signature).predict(ROW)
    np.testing.assert_allclose(scores, train.head(30)["late"].mean(), atol=1e-6)


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"learning_rte": 0.1}, "learning_rate"),
        ({"objective": "multiclass"}, "objective"),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "rf"),
        ({"linear_tree": True}, "linear"),
        ({"zero_as_missing": True}, "zero"),
        ({"num_iterations": 0}, "num_iterations"),
        ({"learning_rate": "fast"}, "learning_rate"),
    ],
)
def test_parameters_that_can_not_be_used_are_refused(train: pl.DataFrame, params: dict, word: str) -> None:
    with pytest.raises(DataError) as caught:
        lightgbm(train, label="late", exclude=EXCLUDE, **{"num_iterations": 5, **params})
    assert word in str(caught.value)


def test_golden_rows_cover_the_scores_nulls_and_an_unseen_category(model: Model) -> None:
    golden = model.golden
    scores = [score for score in golden.scores if score is not None]
    assert len(golden.scores) <= 64
    reference = OnnxPredictor(model.onnx, model.signature)
    assert difference(golden, reference) == 0.0
    assert UNSEEN in golden.rows["origin"]
    assert any(golden.rows[name][-2] is None for name in ("temp", "gusts", "origin"))
    assert max(scores) - min(scores) > 0.4


def test_the_reference_profile_has_every_input_and_the_scores(model: Model, train: pl.DataFrame) -> None:
    profile = model.profile
    assert profile.rows == train.height
    assert [column.name for column in profile.columns] == ["temp", "hour", "holiday", "origin", "gusts", "prediction"]
    temp = profile.column("temp")
    assert temp is not None
    assert temp.nulls == train["temp"].null_count()


def test_a_saved_model_is_read_back_the_same(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    assert Model.load(tmp_path / "model") == model
    with pytest.raises(DataError, match="saved model"):
        Model.load(tmp_path)


def test_parameters_are_told_without_what_does_not_change_the_model(model: Model) -> None:
    assert dict(model.params) == {
        "learning_rate": "0.05", "num_iterations": "30", "num_leaves": "31", "objective": "binary", "seed": "1",
    }  # fmt: skip
