"""Asks a server with Triton's own client, in that client's environment. Prints what came back as JSON."""

from __future__ import annotations

import json
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


def inputs(binary: bool) -> list[triton.InferInput]:
    values = {
        "temp": np.array([[-5.0], [np.nan if binary else 1.0]], np.float32),
        "hour": np.array([[7], [8]], np.int64),
        "origin": np.array([["JFK"], ["EWR"]], np.object_),
        "wet": np.array([[False], [True]]),
    }
    kinds = {"temp": "FP32", "hour": "INT64", "origin": "BYTES", "wet": "BOOL"}
    made = []
    for name, array in values.items():
        tensor = triton.InferInput(name, list(array.shape), kinds[name])
        tensor.set_data_from_numpy(array, binary_data=binary)
        made.append(tensor)
    return made


def main(address: str, model: str) -> None:
    client = triton.InferenceServerClient(address)
    said: dict[str, object] = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model": client.is_model_ready(model),
        "version 1": client.is_model_ready(model, "1"),
        "version 9": client.is_model_ready(model, "9"),
        "server": client.get_server_metadata(),
        "metadata": client.get_model_metadata(model),
    }
    for binary in (True, False):
        for version in ("", "1"):
            wanted = [triton.InferRequestedOutput("score", binary_data=binary)]
            for compression in (None, "gzip"):
                answer = client.infer(
                    model, inputs(binary), version, outputs=wanted, request_id="seven",
                    request_compression_algorithm=compression, response_compression_algorithm=compression,
                    parameters={"entity": "anna"},
                )  # fmt: skip
                name = f"{'binary' if binary else 'json'} {version} {compression}"
                said[name] = [answer.as_numpy("score").tolist(), answer.get_response()]
    try:
        client.infer(model, inputs(True)[:1])
    except InferenceServerException as error:
        said["error"] = [error.status(), error.message()]
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
