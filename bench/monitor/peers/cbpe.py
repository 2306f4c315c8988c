"""NannyML's CBPE on arrays: FOLDER -> JSON {"seconds": [...], "values": {metric: [one per chunk]}}.

Timed as its documentation shows it; the values are those without its own calibrator, so that they can be compared.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import nannyml as nml
import numpy as np
import pandas as pd
from nannyml.performance_estimation.confidence_based import cbpe as inside

METRICS = ["accuracy", "f1", "precision", "recall", "roc_auc"]


def estimate(reference: pd.DataFrame, window: pd.DataFrame, chunks: int) -> tuple[dict[str, list[float]], float]:
    """Fit, estimate, and return the values per chunk and the seconds of both."""
    began = time.process_time()
    estimator = nml.CBPE(
        y_true="y", y_pred="said", y_pred_proba="p", problem_type="classification_binary", metrics=METRICS,
        chunk_size=len(window) // chunks,
    ).fit(reference)  # fmt: skip
    table = estimator.estimate(window).filter(period="analysis").to_df()
    seconds = time.process_time() - began
    return {metric: table[(metric, "value")].tolist() for metric in METRICS}, seconds


def main() -> None:
    """Read `cbpe.npz` and print."""
    told = np.load(Path(sys.argv[1]) / "cbpe.npz")
    frames = [
        pd.DataFrame({"y": told[f"{side}_y"], "p": told[f"{side}_p"], "said": (told[f"{side}_p"] >= 0.5).astype(int)})
        for side in ("reference", "window")
    ]
    chunks = int(told["chunks"])
    seconds = [estimate(*frames, chunks)[1] for _ in range(int(told["runs"]))]
    inside.needs_calibration = lambda *_, **__: False
    values, _ = estimate(*frames, chunks)
    print(json.dumps({"seconds": seconds, "values": values}))


if __name__ == "__main__":
    main()
