"""LitServe with one worker and one API server."""

from __future__ import annotations

import litserve
from session import PORT, Scorer


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002
        self.score = Scorer()

    def decode_request(self, request: dict) -> list[list[float]]:
        return request["instances"]

    def predict(self, rows: list[list[float]]) -> list[float]:
        return self.score(rows).tolist()

    def encode_response(self, output: list[float]) -> dict:
        return {"predictions": output}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1",
        port=PORT,
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
