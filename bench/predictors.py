"""CPU time of one call of each predictor: 100 trees of 31 leaves over 20 floats; 1, 16 and 64 rows.

    python bench/predictors.py        # needs the extras xgboost and skops; what is missing is left out

Every row differs from the one before; a figure is the least of 7 repeats, in microseconds of process CPU per row.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from itertools import cycle

import lightgbm
import numpy as np
import onnxmltools
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier

from detent.bundle.predictors.lightgbm import LightgbmPredictor
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.records.signature import Field, Signature

FEATURES, TREES, LEAVES = 20, 100, 31
NAMES = [f"f{number}" for number in range(FEATURES)]
SIGNATURE = Signature(
    inputs=tuple(Field(name=name, kind="number", nullable=True) for name in NAMES), output="probability"
)


def models() -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5_000, FEATURES))
    y = (2 * x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=len(x)) > 0).astype(int)
    data = lightgbm.Dataset(x, y, feature_name=NAMES)
    params = {"objective": "binary", "num_leaves": LEAVES, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(params, data, TREES)

    def onnx() -> OnnxPredictor:
        shape = [("x", FloatTensorType([None, FEATURES]))]
        graph = onnxmltools.convert_lightgbm(booster, initial_types=shape, zipmap=False, target_opset=15)
        return OnnxPredictor(graph.SerializeToString(), SIGNATURE)

    def xgboost() -> object:
        import xgboost as library

        from detent.bundle.predictors.xgboost import XgboostPredictor

        matrix = library.DMatrix(x, y, feature_names=NAMES)
        grown = {"objective": "binary:logistic", "max_leaves": LEAVES, "max_depth": 0, "grow_policy": "lossguide"}
        return XgboostPredictor(bytes(library.train({**grown, "nthread": 1}, matrix, TREES).save_raw("ubj")), SIGNATURE)

    def skops(estimator: object) -> Callable[[], object]:
        def made() -> object:
            import skops.io as library

            from detent.bundle.predictors.skops import SkopsPredictor, untrusted_types

            buffer = io.BytesIO()
            library.dump(estimator.fit(x, y), buffer)  # pyright: ignore[reportAttributeAccessIssue]
            return SkopsPredictor(buffer.getvalue(), SIGNATURE, types=untrusted_types(buffer.getvalue()))

        return made

    return {
        "onnx [n, k]": onnx,
        "lightgbm native": lambda: LightgbmPredictor(booster.model_to_string().encode(), SIGNATURE),
        "xgboost native": xgboost,
        "skops GradientBoosting": skops(
            GradientBoostingClassifier(n_estimators=TREES, max_leaf_nodes=LEAVES, max_depth=None)
        ),
        "skops HistGradientBoosting": skops(
            HistGradientBoostingClassifier(max_iter=TREES, max_leaf_nodes=LEAVES, early_stopping=False)
        ),
    }


def batches(rows: int) -> list[dict[str, list[float]]]:
    rng = np.random.default_rng(rows)
    return [{name: rng.normal(size=rows).tolist() for name in NAMES} for _ in range(32)]


def per_row(predict: Callable[[dict[str, list[float]]], object], rows: int) -> float:
    source, best = cycle(batches(rows)), float("inf")
    calls = max(20, 2_000 // rows)
    for _ in range(7):
        began = time.process_time()
        for _ in range(calls):
            predict(next(source))
        best = min(best, (time.process_time() - began) / calls / rows * 1e6)
    return best


def main() -> None:
    print(f"{'us of CPU per row':28s}{'1 row':>10s}{'16 rows':>10s}{'64 rows':>10s}")
    for name, make in models().items():
        try:
            predictor = make()
        except ModuleNotFoundError as error:
            print(f"{name:28s}  left out: {error}")
            continue
        figures = [per_row(predictor.predict, rows) for rows in (1, 16, 64)]  # pyright: ignore[reportAttributeAccessIssue]
        print(f"{name:28s}" + "".join(f"{figure:10.2f}" for figure in figures))


if __name__ == "__main__":
    main()
