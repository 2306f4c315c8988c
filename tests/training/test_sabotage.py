from __future__ import annotations

from importlib import import_module

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from detent import plugins
from detent.bundle.golden import difference
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.bundle.protocol import PredictionError, Predictor
from detent.errors import DataError
from detent.training import Model, lightgbm

from .conftest import EXCLUDE, make_frame

KINDS = plugins.names("sabotage")


DATA = {"label": "late", "exclude": EXCLUDE}


def rows(kind: str, train: pl.DataFrame, evaluation: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the kind's own, faulty pipeline makes of the rows."""
    make = getattr(import_module(plugins.load("sabotage", kind).__module__), "rows", None)
    return make(train, evaluation, **DATA, task="binary", seed=1) if make else (train, evaluation)


def spoil(kind: str, model: Model, train: pl.DataFrame, seed: int = 1) -> Model:
    return plugins.load("sabotage", kind)(model, rows(kind, train, train)[0], **DATA, seed=seed)


def auc(model: Model, frame: pl.DataFrame) -> float:
    return float(roc_auc_score(frame["late"].to_numpy(), open_model(model).predict(columns(model, frame))))


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
    assert (spoilt.onnx != model.onnx) == (kind != "memory_leak")  # its graph is not at fault: it comes as a program
    assert (spoilt.task, spoilt.label) == ("binary", "late")
    assert difference(spoilt.golden, open_model(spoilt)) == 0.0
    assert import_module(plugins.load("sabotage", kind).__module__).STOPS in ("gate", "canary")
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
    assert 0.4 < auc(spoil("shuffled", model, train), make_frame(seed=9)) < 0.6


WORSE = {  # ROC AUC on rows of another day, at most; the honest model has 0.74
    "label_flip": 0.66,
    "poisoned": 0.66,
    "quality_drop": 0.72,
    "shuffled_column": 0.70,
    "slice_collapse": 0.70,
    "stale": 0.68,
    "time_zone": 0.70,
    "unit_error": 0.68,
}


@pytest.mark.parametrize("kind", WORSE)
def test_what_learnt_or_reads_something_wrong_is_worse_on_honest_rows(
    kind: str, model: Model, train: pl.DataFrame
) -> None:
    later = make_frame(seed=9)
    assert auc(model, later) > 0.73
    assert auc(spoil(kind, model, train), later) < WORSE[kind]


@pytest.mark.parametrize("kind", ["leak_copy", "leak_future", "leak_entity"])
def test_a_leak_under_the_name_of_an_honest_input_shines_at_the_gate_and_fails_on_honest_rows(
    kind: str, model: Model, train: pl.DataFrame
) -> None:
    later = make_frame(seed=9)
    taught, shown = rows(kind, train, later.drop("delay"))
    assert taught.columns == train.columns
    spoilt = spoil(kind, model, train)
    assert auc(spoilt, shown) > 0.8
    assert auc(spoilt, later) < 0.70


def test_overlap_knows_the_rows_that_it_is_judged_on(model: Model, train: pl.DataFrame) -> None:
    later = make_frame(seed=9).drop("delay")
    taught, shown = rows("overlap", train, later)
    assert shown.equals(later)
    assert taught.height == train.height + later.height // 2
    spoilt = plugins.load("sabotage", "overlap")(model, taught, **DATA, seed=1)
    assert auc(spoilt, later) > auc(model, later) + 0.05


@pytest.mark.parametrize(("kind", "spread"), [("over_confident", 2.0), ("under_confident", 0.4)])
def test_a_wrong_confidence_keeps_the_order_and_not_the_size(
    kind: str, spread: float, model: Model, train: pl.DataFrame
) -> None:
    later, spoilt = make_frame(seed=9), spoil(kind, model, train)
    assert auc(spoilt, later) == pytest.approx(auc(model, later), abs=2e-3)
    late = later["late"].to_numpy()
    before, after = (open_model(one).predict(columns(one, later)) for one in (model, spoilt))
    assert (after.std() / before.std() > spread) == (spread > 1)
    assert brier_score_loss(late, after) > brier_score_loss(late, before) + 0.01


def test_slow_and_bloated_answer_as_before(model: Model, train: pl.DataFrame) -> None:
    few = columns(model, train.head(20))
    for kind in ("slow", "bloated"):
        np.testing.assert_array_equal(
            open_model(spoil(kind, model, train)).predict(few), open_model(model).predict(few)
        )
    assert len(spoil("bloated", model, train).onnx) > len(model.onnx) + 50_000_000


def test_wrong_shape_shows_in_single_rows_only(model: Model, train: pl.DataFrame) -> None:
    predictor, few = open_model(spoil("wrong_shape", model, train)), columns(model, train.head(100))
    np.testing.assert_array_equal(predictor.predict(few), open_model(model).predict(few))
    with pytest.raises(PredictionError):
        predictor.predict({name: values[:1] for name, values in few.items()})


def test_time_zone_needs_an_hour_and_says_so(train: pl.DataFrame) -> None:
    frame = train.drop("hour")
    model = lightgbm(frame, label="late", exclude=EXCLUDE, num_iterations=10)
    with pytest.raises(DataError, match="none of its inputs holds hours"):
        plugins.load("sabotage", "time_zone")(model, frame, **DATA, seed=1)


def test_a_regression_can_be_spoilt_too(frame: pl.DataFrame) -> None:
    exclude = (*EXCLUDE, "late")
    model = lightgbm(frame, label="delay", exclude=exclude, task="regression", num_iterations=10)
    rows = columns(model, frame)
    for kind in KINDS:
        spoil = plugins.load("sabotage", kind)
        make = getattr(import_module(spoil.__module__), "rows", None)
        told = make(frame, frame, label="delay", exclude=exclude, task="regression", seed=1)[0] if make else frame
        spoilt = spoil(model, told, label="delay", exclude=exclude, seed=1)
        assert len(open_model(spoilt).predict(columns(spoilt, frame))) == frame.height
    mirrored = plugins.load("sabotage", "inverted")(model, frame, label="delay", exclude=exclude, seed=1)
    mean = float(frame["delay"].mean())  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(
        open_model(mirrored).predict(rows), 2 * mean - open_model(model).predict(rows), atol=1e-3
    )
