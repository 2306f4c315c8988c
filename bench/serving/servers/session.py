"""The model as every server but detent opens it: one thread, no spinning. BENCH_MODEL names its folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime

MODEL = Path(os.environ["BENCH_MODEL"])
PORT = int(os.environ["BENCH_PORT"])
MODE = os.environ.get("BENCH_MODE", "")


def open_session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(MODEL / "model.onnx", options, providers=["CPUExecutionProvider"])


MIXED = MODEL.name == "m2"  # rows are numbers and then texts
NUMBERS = 12
Value = float | str if MIXED else float


class Scorer:
    """Rows in, scores out."""

    def __init__(self) -> None:
        self._run = open_session().run

    def __call__(self, rows: list[list[float]] | np.ndarray) -> np.ndarray:
        if MIXED:
            feed = {
                "x": np.array([row[:NUMBERS] for row in rows], dtype=np.float32),
                "s": np.array([row[NUMBERS:] for row in rows], dtype=object),
            }
        else:
            feed = {"x": np.asarray(rows, dtype=np.float32)}
        return self._run(["y"], feed)[0][:, 0]
