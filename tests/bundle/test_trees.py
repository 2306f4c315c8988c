from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from detent.bundle.lightgbm_text import inspect_trees
from detent.bundle.predictors.lightgbm import LightgbmPredictor
from detent.errors import DataError, RefusedError
from detent.records.signature import Field, Signature

NAMES = tuple(f"f{number}" for number in range(6))
SIGNATURE = Signature(
    inputs=tuple(Field(name=name, kind="number", nullable=name != "f0") for name in NAMES), output="probability"
)
ROWS = np.random.default_rng(1).normal(size=(50, len(NAMES)))


@pytest.fixture(scope="module")
def model() -> bytes:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, len(NAMES)))
    x[rng.random(x.shape) < 0.1] = np.nan
    y = (np.nan_to_num(x[:, 0]) + x[:, 1] > 0).astype(float)
    data = lightgbm.Dataset(x, y, feature_name=list(NAMES))
    return (
        lightgbm.train({"objective": "binary", "verbosity": -1, "num_leaves": 8}, data, 12).model_to_string().encode()
    )


def columns(rows: np.ndarray) -> dict[str, list[float | None]]:
    return {
        name: [None if math.isnan(value) else value for value in rows[:, place].tolist()]
        for place, name in enumerate(NAMES)
    }


def test_single_rows_and_batches_give_the_scores_of_lightgbm_itself(model: bytes) -> None:
    predictor = LightgbmPredictor(model, SIGNATURE)
    rows = ROWS.copy()
    rows[::7, 1:] = np.nan
    native = lightgbm.Booster(model_str=model.decode()).predict(rows)
    np.testing.assert_array_equal(predictor.predict(columns(rows)), native)
    singles = [predictor.predict(columns(rows[number : number + 1]))[0] for number in range(len(rows))]
    np.testing.assert_array_equal(singles, native)


def test_threads_at_once_do_not_mix_their_rows(model: bytes) -> None:
    predictor = LightgbmPredictor(model, SIGNATURE)
    expected = predictor.predict(columns(ROWS))
    wrong: list[int] = []

    def ask(seed: int) -> None:
        for number in random.Random(seed).choices(range(len(ROWS)), k=400):
            if predictor.predict(columns(ROWS[number : number + 1]))[0] != expected[number]:
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_missing_nullable_column_is_null_and_a_required_one_is_named(model: bytes) -> None:
    predictor = LightgbmPredictor(model, SIGNATURE)
    some = {name: values for name, values in columns(ROWS[:1]).items() if name != "f3"}
    nulls = {**some, "f3": [None]}
    np.testing.assert_array_equal(predictor.predict(some), predictor.predict(nulls))
    del some["f0"]
    with pytest.raises(DataError, match="`f0`"):
        predictor.predict(some)
    with pytest.raises(DataError, match="`f1`"):
        predictor.predict({**columns(ROWS[:1]), "f1": ["much"]})
    with pytest.raises(DataError, match="`f1`"):
        predictor.predict({**columns(ROWS[:2]), "f1": [1.0]})
    assert predictor.predict({name: [] for name in NAMES}).size == 0


def change(key: str, edit: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    """Return a function that edits the first line `key=...` of a model."""

    def changed(text: str) -> str:
        lines = text.split("\n")
        place = next(number for number, line in enumerate(lines) if line.startswith(f"{key}="))
        lines[place] = f"{key}=" + " ".join(edit(lines[place].partition("=")[2].split()))
        return "\n".join(lines)

    return changed


HOSTILE: dict[str, Callable[[str], str]] = {
    "cut off": lambda text: text[: len(text) // 2],
    "another file": lambda text: "PK" + text,
    "empty": lambda text: "",
    "a child outside the tree": change("left_child", lambda words: ["99999", *words[1:]]),
    "a leaf outside the tree": change("right_child", lambda words: ["-99999", *words[1:]]),
    "a child that leads back": change("left_child", lambda words: [words[0], "0", *words[2:]]),
    "a feature that does not exist": change("split_feature", lambda words: ["4000000", *words[1:]]),
    "fewer leaves than said": change("leaf_value", lambda words: words[1:]),
    "more leaves than there are": change("num_leaves", lambda words: ["1000000"]),
    "a list with text": change("threshold", lambda words: ["rm", *words[1:]]),
    "a set of categories that is not there": change("decision_type", lambda words: ["1", *words[1:]]),
    "several outputs": change("num_class", lambda words: ["3"]),
    "more features than names": change("max_feature_idx", lambda words: ["600"]),
    "no number of features": change("max_feature_idx", lambda words: ["-5"]),
    "a second list under one name": lambda text: text.replace("\nleaf_value=", "\nleaf_value=1\nleaf_value=", 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_never_reaches_the_library(model: bytes, name: str) -> None:
    changed = HOSTILE[name](model.decode())
    assert changed != model.decode()
    with pytest.raises(RefusedError) as caught:
        LightgbmPredictor(changed.encode(), SIGNATURE)
    assert caught.value.fix


def test_offsets_in_the_file_are_not_followed(model: bytes) -> None:
    changed = change("tree_sizes", lambda words: ["999999999"] * len(words))(model.decode()).encode()
    expected = LightgbmPredictor(model, SIGNATURE).predict(columns(ROWS))
    np.testing.assert_array_equal(LightgbmPredictor(changed, SIGNATURE).predict(columns(ROWS)), expected)


def test_text_inputs_are_refused_with_their_names(model: bytes) -> None:
    fields = (*SIGNATURE.inputs[:5], Field(name="f5", kind="string", nullable=True))
    with pytest.raises(RefusedError, match="can't be loaded") as caught:
        LightgbmPredictor(model, Signature(inputs=fields, output="probability"))
    assert "f5" in caught.value.why


def test_another_order_than_the_models_is_refused(model: bytes) -> None:
    with pytest.raises(RefusedError, match="can't be loaded"):
        LightgbmPredictor(model, Signature(inputs=SIGNATURE.inputs[::-1], output="probability"))


def test_random_damage_is_refused_or_harmless(model: bytes) -> None:
    rng = random.Random(5)
    for _ in range(150):
        damaged = bytearray(model)
        for _ in range(rng.randrange(1, 6)):
            damaged[rng.randrange(len(damaged))] = rng.choice(b"0123456789-. =\nae")
        try:
            facts = inspect_trees(bytes(damaged))
        except RefusedError:
            continue
        if facts.features == NAMES:
            try:
                scores = LightgbmPredictor(bytes(damaged), SIGNATURE).predict(columns(ROWS))
            except RefusedError:
                continue
            assert scores.shape == (len(ROWS),)


def test_a_model_folder_loads_by_its_manifest(model: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.lgb.txt").write_bytes(model)
    assert LightgbmPredictor.open(tmp_path, SIGNATURE).predict(columns(ROWS)).shape == (50,)
    (tmp_path / "model.lgb.txt").unlink()
    with pytest.raises(RefusedError, match="can't be loaded"):
        LightgbmPredictor.open(tmp_path, SIGNATURE)
