"""NannyML's CBPE of several classes on arrays: FOLDER -> JSON {"seconds": [...], "values": {metric: [one per chunk]}}.

Timed as its documentation shows it; the values are those with a calibrator for each class, whether it finds that it
needs one or not, as detent has them.
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

METRICS = {"accuracy": "accuracy", "f1": "f1_macro", "precision": "precision_macro", "recall": "recall_macro"}


def frame(score: np.ndarray, truth: np.ndarray | None = None) -> pd.DataFrame:
    """Return the table that NannyML takes."""
    table = pd.DataFrame({f"p{place}": score[:, place] for place in range(score.shape[1])})
    table["said"] = [f"c{place}" for place in score.argmax(axis=1)]
    if truth is not None:
        table["y"] = [f"c{place}" for place in truth]
    return table


def estimate(reference: pd.DataFrame, window: pd.DataFrame, chunks: int) -> tuple[dict[str, list[float]], float]:
    """Fit, estimate, and return the values per chunk and the seconds of both."""
    columns = {f"c{name[1:]}": name for name in window.columns if name != "said"}
    began = time.process_time()
    estimator = nml.CBPE(
        y_true="y", y_pred="said", y_pred_proba=columns, problem_type="classification_multiclass",
        metrics=list(METRICS), chunk_size=len(window) // chunks,
    ).fit(reference)  # fmt: skip
    table = estimator.estimate(window).filter(period="analysis").to_df()
    seconds = time.process_time() - began
    return {ours: table[(metric, "value")].tolist() for metric, ours in METRICS.items()}, seconds


def main() -> None:
    """Read `cbpe_classes.npz` and print."""
    told = np.load(Path(sys.argv[1]) / "cbpe_classes.npz")
    frames = frame(told["reference_p"], told["reference_y"]), frame(told["window_p"])
    chunks = int(told["chunks"])
    seconds = [estimate(*frames, chunks)[1] for _ in range(int(told["runs"]))]
    inside.needs_calibration = lambda *_, **__: True
    values, _ = estimate(*frames, chunks)
    print(json.dumps({"seconds": seconds, "values": values}))


if __name__ == "__main__":
    main()
