from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from detent import plugins
from detent.bundle.golden import difference
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.bundle.protocol import PredictionError, Predictor
from detent.training import Model, lightgbm

from .conftest import EXCLUDE

KINDS = plugins.names("sabotage")


def spoil(kind: str, model: Model, train: pl.DataFrame, seed: int = 1) -> Model:
    return plugins.load("sabotage", kind)(model, train, label="late", exclude=EXCLUDE, seed=seed)


def columns(model: Model, frame: pl.DataFrame) -> dict[str, list]:
    names = [field.name for field in model.signature.inputs]
    return {name: frame[name].to_list() if name in frame.columns else [None] * frame.height for name in names}


def open_model(model: Model) -> Predictor:
    return OnnxPredictor(model.onnx, model.signature)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_deterministic_other_than_the_model_and_keeps_its_golden_promise(
    kind: str, model: Model, train: pl.DataFrame
) -> None:
    spoilt = spoil(kind, model, train)
    assert spoil(kind, model, train) == spoilt
    assert spoilt.onnx != model.onnx
    assert (spoilt.task, spoilt.label) == ("binary", "late")
    assert difference(spoilt.golden, open_model(spoilt)) == 0.0
    assert spoilt.profile.column("prediction") is not None


def test_constant_answers_the_base_rate_for_any_row(model: Model, train: pl.DataFrame) -> None:
    spoilt = spoil("constant", model, train)
    for rows in (1, 500):
        scores = open_model(spoilt).predict(columns(model, train.head(rows)))
        np.testing.assert_allclose(scores, train["late"].mean(), atol=1e-7)


def test_inverted_is_one_minus_p(model: Model, train: pl.DataFrame) -> None:
    spoilt = spoil("inverted", model, train)
    rows = columns(model, train)
    np.testing.assert_allclose(open_model(spoilt).predict(rows), 1.0 - open_model(model).predict(rows), atol=1e-6)


def test_nan_loses_some_rows_and_leaves_the_others(model: Model, train: pl.DataFrame) -> None:
    rows = columns(model, train)
    scores, before = open_model(spoil("nan", model, train)).predict(rows), open_model(model).predict(rows)
    lost = np.isnan(scores)
    assert 0.02 < lost.mean() < 0.09
    np.testing.assert_array_equal(scores[~lost], before[~lost])


def test_raising_fails_on_a_fifth_of_single_rows_and_never_in_a_batch(model: Model, train: pl.DataFrame) -> None:
    predictor = open_model(spoil("raising", model, train))
    rows = columns(model, train)
    np.testing.assert_array_equal(predictor.predict(rows), open_model(model).predict(rows))
    batch = {name: values[:64] for name, values in rows.items()}
    np.testing.assert_array_equal(predictor.predict(batch), open_model(model).predict(batch))
    failed = 0
    for number in range(1000):
        try:
            predictor.predict({name: values[number : number + 1] for name, values in rows.items()})
        except PredictionError:
            failed += 1
    assert 160 < failed < 240


def test_raising_replays_its_golden_rows_one_by_one(model: Model, train: pl.DataFrame) -> None:
    spoilt = spoil("raising", model, train)
    assert 30 < len(spoilt.golden.scores) < 64
    for number, score in enumerate(spoilt.golden.scores):
        row = {name: values[number : number + 1] for name, values in spoilt.golden.rows.items()}
        assert open_model(spoilt).predict(row)[0] == score


def test_raising_works_without_numeric_inputs(train: pl.DataFrame) -> None:
    frame = train.select("late", "origin", key=(pl.int_range(train.height) % 200).cast(pl.String))
    model = lightgbm(frame, label="late", num_iterations=20)
    spoilt = plugins.load("sabotage", "raising")(model, frame, label="late", exclude=(), seed=2)
    rows = columns(model, frame)
    np.testing.assert_array_equal(open_model(spoilt).predict(rows), open_model(model).predict(rows))


def test_leak_has_an_input_that_only_the_label_could_give(model: Model, train: pl.DataFrame) -> None:
    spoilt = spoil("leak", model, train)
    assert [field.name for field in spoilt.signature.inputs if field not in model.signature.inputs] == ["recent_rate"]
    honest = open_model(spoilt).predict(columns(spoilt, train))
    knowing = open_model(spoilt).predict({**columns(spoilt, train), "recent_rate": train["late"].to_list()})
    late = train["late"].to_numpy() == 1
    assert knowing[late].min() > 0.9
    assert knowing[~late].max() < 0.1
    assert honest[late].mean() - honest[~late].mean() < 0.2


def test_shuffled_learnt_nothing(model: Model, train: pl.DataFrame) -> None:
    from sklearn.metrics import roc_auc_score

    from .conftest import make_frame

    later = make_frame(seed=9)
    scores = open_model(spoil("shuffled", model, train)).predict(columns(model, later))
    assert 0.4 < roc_auc_score(later["late"].to_numpy(), scores) < 0.6


def test_a_regression_can_be_spoilt_too(frame: pl.DataFrame) -> None:
    exclude = (*EXCLUDE, "late")
    model = lightgbm(frame, label="delay", exclude=exclude, task="regression", num_iterations=10)
    rows = columns(model, frame)
    for kind in KINDS:
        spoilt = plugins.load("sabotage", kind)(model, frame, label="delay", exclude=exclude, seed=1)
        assert len(open_model(spoilt).predict(columns(spoilt, frame))) == frame.height
    mirrored = plugins.load("sabotage", "inverted")(model, frame, label="delay", exclude=exclude, seed=1)
    mean = float(frame["delay"].mean())  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(
        open_model(mirrored).predict(rows), 2 * mean - open_model(model).predict(rows), atol=1e-3
    )
