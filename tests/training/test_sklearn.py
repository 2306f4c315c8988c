from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.svm import LinearSVC

from detent.bundle.predictors.onnx import OnnxPredictor
from detent.errors import DataError
from detent.training import Model, sklearn

from .conftest import EXCLUDE, make_frame

ROW = {"temp": [3.0], "hour": [9], "holiday": [True], "origin": ["EWR"], "gusts": [4]}


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(max_iter=300),
        RandomForestClassifier(n_estimators=10, max_depth=6),
        make_pipeline(PolynomialFeatures(2), LogisticRegression(max_iter=500)),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_a_classifier_with_its_preprocessing_is_one_deterministic_graph(train: pl.DataFrame, estimator: object) -> None:
    model = sklearn(train, estimator=estimator, label="late", exclude=EXCLUDE, seed=3)  # pyright: ignore[reportArgumentType]
    assert sklearn(train, estimator=estimator, label="late", exclude=EXCLUDE, seed=3) == model  # pyright: ignore[reportArgumentType]
    later = make_frame(seed=9)
    columns = {field.name: later[field.name].to_list() for field in model.signature.inputs}
    scores = OnnxPredictor(model.onnx, model.signature).predict(columns)
    assert roc_auc_score(later["late"].to_numpy(), scores) > 0.66


def test_null_is_the_mean_and_an_unknown_category_is_no_category(train: pl.DataFrame) -> None:
    model = sklearn(train, estimator=LogisticRegression(), label="late", exclude=EXCLUDE)
    predictor = OnnxPredictor(model.onnx, model.signature)
    mean = float(train["temp"].mean())  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(
        predictor.predict({**ROW, "temp": [None]}), predictor.predict({**ROW, "temp": [mean]}), atol=1e-6
    )
    assert 0.0 < predictor.predict({**ROW, "origin": ["XXX"]})[0] < 1.0


@pytest.mark.parametrize("estimator", [LinearRegression(), Ridge(), GradientBoostingRegressor(n_estimators=20)])
def test_a_regressor_gives_values(frame: pl.DataFrame, estimator: object) -> None:
    model = sklearn(frame, estimator=estimator, label="delay", exclude=(*EXCLUDE, "late"))  # pyright: ignore[reportArgumentType]
    assert (model.task, model.signature.output) == ("regression", "value")


def test_names_inside_of_nodes_do_not_depend_on_earlier_conversions(train: pl.DataFrame) -> None:
    def fit() -> Model:
        return sklearn(train.head(80), estimator=KNeighborsClassifier(), label="late", exclude=EXCLUDE)

    assert fit() == fit()


def test_open_random_states_are_set_and_the_callers_estimator_is_left_alone(train: pl.DataFrame) -> None:
    estimator = make_pipeline(RandomForestClassifier(n_estimators=3, max_depth=3))
    one, other = (
        sklearn(train.head(300), estimator=estimator, label="late", exclude=EXCLUDE, seed=seed) for seed in (1, 2)
    )
    assert one.onnx != other.onnx
    assert estimator[0].random_state is None
    assert not hasattr(estimator[0], "estimators_")


def test_strings_alone_and_numbers_alone_are_enough(train: pl.DataFrame) -> None:
    for columns in (["origin"], ["hour"]):
        sklearn(train.select("late", *columns), estimator=LogisticRegression(), label="late")


def test_a_classifier_without_probabilities_is_refused_with_a_way_out(train: pl.DataFrame) -> None:
    with pytest.raises(DataError) as caught:
        sklearn(train, estimator=LinearSVC(), label="late", exclude=EXCLUDE)
    assert "CalibratedClassifierCV" in caught.value.fix


def test_an_estimator_without_a_converter_is_refused(train: pl.DataFrame) -> None:
    class Own(LogisticRegression):
        pass

    with pytest.raises(DataError, match="can't be exported"):
        sklearn(train.head(100), estimator=Own(), label="late", exclude=EXCLUDE)


def test_infinite_values_are_refused_and_named(train: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="`temp`"):
        sklearn(train.with_columns(temp=pl.lit(float("inf"))), estimator=Ridge(), label="late", exclude=EXCLUDE)
