"""Expected errors of seeded windows by NannyML's direct loss estimation, as JSON. Runs in NannyML's environment."""

from __future__ import annotations

import json
import logging
import sys
import warnings

import nannyml
import pandas as pd
from dle_rows import SHIFTS, rows

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)


def frame(seed: int, shift: str, size: int) -> pd.DataFrame:
    made = rows(seed, shift, size)
    return pd.DataFrame({**made.inputs, "said": made.said, "truth": made.truth})


found: dict[str, dict[str, float]] = {}
for seed in range(3):
    model = nannyml.DLE(
        feature_column_names=["near", "size", "kind", "other"], y_pred="said", y_true="truth", metrics=["mae", "rmse"],
        chunk_size=1_000,
    ).fit(frame(100 + seed, "same", 3_000))  # fmt: skip
    for shift in SHIFTS:
        told = model.estimate(frame(seed, shift, 1_000).drop(columns="truth")).filter(period="analysis").to_df()
        found[f"{shift} {seed}"] = {name: float(told[(name, "value")].iloc[0]) for name in ("mae", "rmse")}
sys.stdout.write(json.dumps(found) + "\n")
