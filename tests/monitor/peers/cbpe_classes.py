"""Quality of seeded windows of five classes by NannyML's CBPE, as JSON. Runs in NannyML's environment."""

from __future__ import annotations

import json
import logging
import sys
import warnings

import nannyml
import pandas as pd
from class_rows import CLASSES, SHIFTS, rows
from nannyml.performance_estimation.confidence_based import cbpe as inside

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
inside.needs_calibration = lambda *_, **__: True  # each class has its curve, as in detent
METRICS = {"accuracy": "accuracy", "f1": "f1_macro", "precision": "precision_macro", "recall": "recall_macro"}


def frame(seed: int, shift: str, size: int) -> pd.DataFrame:
    made = rows(seed, shift, size)
    probabilities = {f"p_{name}": made.score[:, place] for place, name in enumerate(CLASSES)}
    said = [CLASSES[place] for place in made.score.argmax(axis=1)]
    return pd.DataFrame({**probabilities, "said": said, "truth": [CLASSES[place] for place in made.truth]})


found: dict[str, dict[str, float]] = {}
for seed in range(2):
    model = nannyml.CBPE(
        y_true="truth", y_pred="said", y_pred_proba={name: f"p_{name}" for name in CLASSES},
        problem_type="classification_multiclass", metrics=list(METRICS), chunk_size=1_000,
    ).fit(frame(100 + seed, "same", 3_000))  # fmt: skip
    for shift in SHIFTS:
        told = model.estimate(frame(seed, shift, 1_000).drop(columns="truth")).filter(period="analysis").to_df()
        found[f"{shift} {seed}"] = {ours: float(told[(name, "value")].iloc[0]) for name, ours in METRICS.items()}
sys.stdout.write(json.dumps(found) + "\n")
