"""BentoML's service; metrics stay on, as in production. BENCH_MODE is batch or single."""

from __future__ import annotations

from typing import Annotated

import bentoml
import numpy as np
from bentoml.validators import DType, Shape
from session import MODE, Scorer

Numbers = Annotated[np.ndarray, DType("float32"), Shape((-1, 20))]


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Model:
    def __init__(self) -> None:
        self.score = Scorer()

    @bentoml.api(batchable=MODE == "batch", max_batch_size=64, max_latency_ms=1000)
    def predict(self, instances: Numbers) -> np.ndarray:
        return self.score(instances)
