"""KServe's Python server with a custom model; REST only, request logs off. It answers V1 and V2."""

from __future__ import annotations

import logging

import kserve
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from session import PORT, Scorer


class Bench(Model):
    def __init__(self) -> None:
        super().__init__("bench")
        self.score = Scorer()
        self.ready = True

    def predict(self, payload: dict | InferRequest, *_: object, **__: object) -> object:
        if isinstance(payload, InferRequest):
            scores = self.score(payload.inputs[0].as_numpy())
            output = InferOutput("y", [len(scores)], "FP32", scores.tolist())
            return InferResponse(payload.id or "", self.name, [output])
        return {"predictions": self.score(payload["instances"]).tolist()}


if __name__ == "__main__":
    server = ModelServer(
        http_port=PORT,
        workers=1,
        enable_grpc=False,
        enable_latency_logging=False,
    )
    for name in ("uvicorn.access", kserve.logging.KSERVE_LOGGER_NAME, kserve.logging.KSERVE_TRACE_LOGGER_NAME):
        logging.getLogger(name).setLevel(logging.WARNING)
    server.start([Bench()])
