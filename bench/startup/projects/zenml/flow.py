from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from helpers import fit, widen
from zenml import pipeline, step
from zenml.config import CachePolicy

POLICY = CachePolicy.default().model_copy(
    update={"file_dependencies": ["helpers.py"] if "--listed" in sys.argv else None}
)


@step
def read(path: str) -> np.ndarray:
    return np.load(path)


@step(cache_policy=POLICY)
def features(table: np.ndarray) -> np.ndarray:
    return widen(table)


@step(cache_policy=POLICY)
def train(rows: np.ndarray) -> list[float]:
    return fit(rows)


@pipeline(enable_cache=True)
def loop() -> None:
    train(features(read("data/table.npy")))


if __name__ == "__main__":
    run = loop()
    if "--report" in sys.argv and run is not None:
        Path("model.json").write_text(json.dumps(run.steps["train"].output.load()))
