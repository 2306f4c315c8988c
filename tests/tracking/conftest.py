"""A real bundle (a regression that doubles its input) and one MLflow store for all tests: its tables take seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from detent.bundle.facts import ManifestFacts
from detent.bundle.pack import pack
from detent.tracking import MlflowTracker
from detent.training import lightgbm


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    x = np.linspace(0.0, 1.0, 200)
    frame = pl.DataFrame({"x": x, "kind": ["a", "b"] * 100, "y": 2.0 * x})
    lightgbm(frame, label="y", task="regression", num_iterations=5).save(folder)
    facts = ManifestFacts(
        model="double", task="regression", label="y", data_digest="d" * 64, code_digest="c" * 64,
        policy_digest="e" * 64, environment_digest="f" * 64, params=(), run="run-1",
        created_at="2013-03-01T12:00:00.000000+00:00",
    )  # fmt: skip
    pack(folder, facts=facts)
    return folder


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def tracker(state: Path) -> MlflowTracker:
    return MlflowTracker(state)
