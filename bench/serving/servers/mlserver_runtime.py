"""MLServer's custom runtime, and the folder it is started from: `python mlserver_runtime.py FOLDER`.

BENCH_MODE is the number of parallel workers; 0 scores in the server's own process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from session import MODE, PORT, Scorer


class Model(MLModel):
    async def load(self) -> bool:
        self.score = Scorer()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0])
        scores = NumpyCodec.encode_output("y", self.score(rows))
        return InferenceResponse(model_name=self.name, outputs=[scores])


def write(folder: Path) -> None:
    settings = {"debug": False, "host": "127.0.0.1", "parallel_workers": int(MODE)}
    settings |= {"http_port": PORT, "grpc_port": PORT + 1, "metrics_port": PORT + 2}
    model = {"name": "bench", "implementation": "mlserver_runtime.Model"}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
