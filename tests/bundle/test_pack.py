from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from detent.bundle import codec
from detent.bundle.load import load
from detent.bundle.pack import manifest_digest, pack
from detent.errors import RefusedError, TamperedError

from .builders import FACTS, write_model

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


def test_the_same_model_and_facts_give_the_same_digest_anywhere(make_bundle: Callable[..., Path]) -> None:
    assert manifest_digest(make_bundle("one")) == manifest_digest(make_bundle("two"))


def test_another_fact_gives_another_digest(tmp_path: Path, graph: bytes) -> None:
    write_model(tmp_path, graph)
    pack(tmp_path, facts=FACTS)
    before = manifest_digest(tmp_path)
    pack(tmp_path, facts=replace(FACTS, run="run-2"))
    assert manifest_digest(tmp_path) != before


def test_packing_again_takes_away_what_was_about_other_bytes(bundle: Path) -> None:
    pack(bundle, facts=FACTS)
    assert not (bundle / "manifest.sig").exists()
    assert not (bundle / "verdict.json").exists()


def test_a_folder_without_a_model_can_not_be_packed(tmp_path: Path, graph: bytes) -> None:
    write_model(tmp_path, graph)
    (tmp_path / "profile.json").unlink()
    with pytest.raises(RefusedError, match=r"`profile.json` is missing"):
        pack(tmp_path, facts=FACTS)


def test_the_card_names_inputs_and_notes(tmp_path: Path, graph: bytes) -> None:
    write_model(tmp_path, graph)
    pack(tmp_path, facts=replace(FACTS, notes=("column `x` is constant",)))
    card = (tmp_path / "card.md").read_text()
    assert "| origin | string | yes |" in card
    assert "column `x` is constant" in card


def test_every_record_survives_json(bundle: Path) -> None:
    for name, decode, encode in [
        ("manifest.json", codec.manifest_from_json, codec.manifest_to_json),
        ("signature.json", codec.signature_from_json, codec.signature_to_json),
        ("profile.json", codec.profile_from_json, codec.profile_to_json),
        ("golden.json", codec.golden_from_json, codec.golden_to_json),
        ("verdict.json", codec.verdict_from_json, codec.verdict_to_json),
    ]:
        data = (bundle / name).read_bytes()
        assert encode(decode(data)) == data


def test_golden_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(TamperedError, match=r"golden.json"):
        codec.golden_from_json(b'{"rows":{"a":[1,2]},"scores":[0.5]}')


def test_mlflow_loads_the_folder_and_gives_the_same_scores(bundle: Path) -> None:
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(str(bundle))
    golden = codec.golden_from_json((bundle / "golden.json").read_bytes())
    frame = pd.DataFrame({name: list(values) for name, values in golden.rows.items()})
    np.testing.assert_array_equal(model.predict(frame), load(bundle).predict(golden.rows))
    np.testing.assert_allclose(model.predict(frame), golden.scores)
    assert model.metadata.signature.inputs.input_names() == ["temp", "hour", "origin"]
    with pytest.raises(mlflow.MlflowException, match="hour"):
        model.predict(frame.drop(columns="hour"))
