"""Golden rows that come out differently: who reads the refusal learns which packages decide the scores."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from detent.bundle import codec
from detent.bundle.facts import ManifestFacts
from detent.bundle.pack import manifest_digest, pack
from detent.bundle.protocol import Golden
from detent.bundle.sign import seal, sign, write_verdict
from detent.errors import RefusedError
from detent.records.check import Verdict
from detent.records.profile import Profile
from detent.records.signature import Field, Signature
from detent.serving.models.admission import admit_version

from .builders import KEY, MODEL, PUBLIC, make_bundle

NAMES = ("temp", "hour")
SIGNATURE = Signature(
    inputs=tuple(Field(name=name, kind="number", nullable=True) for name in NAMES), output="probability"
)
ROWS = np.random.default_rng(7).normal(size=(200, 2))
LABELS = (ROWS[:, 0] > 0).astype(float)


def trees(folder: Path) -> np.ndarray:
    data = lightgbm.Dataset(ROWS, LABELS, feature_name=list(NAMES))
    model = lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, 3)
    model.save_model(folder / "model.lgb.txt")
    return np.asarray(model.predict(ROWS[:2]))


def bundle(folder: Path, *, skew: float) -> Path:
    """Pack, sign and judge a LightGBM model; `skew` is added to the stored golden scores."""
    folder.mkdir()
    scores = trees(folder)
    columns = {name: tuple(ROWS[:2, place].tolist()) for place, name in enumerate(NAMES)}
    (folder / "signature.json").write_bytes(codec.signature_to_json(SIGNATURE))
    (folder / "profile.json").write_bytes(codec.profile_to_json(Profile(rows=2, columns=())))
    (folder / "golden.json").write_bytes(
        codec.golden_to_json(Golden(rows=columns, scores=tuple((scores + skew).tolist())))
    )
    facts = ManifestFacts(
        model=MODEL, predictor="lightgbm", task="binary", label="late", data_digest="d" * 64, code_digest="c" * 64,
        policy_digest="e" * 64, environment_digest="f" * 64, params=(), run="import-0001", origin="import",
        created_at="2013-06-01T00:00:00.000000+00:00",
    )  # fmt: skip
    pack(folder, facts=facts)
    sign(folder, KEY)
    verdict = Verdict(
        id="1" * 64, decision="pass", results=(), model_digest=manifest_digest(folder), data_digest="d" * 64,
        policy_digest="e" * 64, champion_digest=None, reason="", judged_at="2013-06-01T00:00:00.000000+00:00",
    )  # fmt: skip
    write_verdict(folder, seal(verdict, KEY))
    return folder


def refusal(folder: Path) -> RefusedError:
    with pytest.raises(RefusedError, match="does not score here as it did at training") as caught:
        admit_version(MODEL, 1, locate=lambda *_: folder, public=PUBLIC)
    return caught.value


def test_other_scores_than_at_training_name_the_library_of_that_format(tmp_path: Path) -> None:
    admit_version(MODEL, 1, locate=lambda *_: bundle(tmp_path / "good", skew=0.0), public=PUBLIC)
    refused = refusal(bundle(tmp_path / "skewed", skew=1e-3))
    assert "golden row 0 scored" in refused.why
    assert f"compare lightgbm {lightgbm.__version__} and numpy {np.__version__}" in refused.fix
    assert "onnxruntime" not in refused.fix


def test_an_onnx_model_names_onnxruntime(tmp_path: Path) -> None:
    refused = refusal(make_bundle(tmp_path / "skewed", 1, skew=1e-3))
    assert f"compare onnxruntime {metadata.version('onnxruntime')} and numpy" in refused.fix
