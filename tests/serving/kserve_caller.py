"""Asks a server with KServe's own client, in that client's environment. Prints what came back as JSON."""

from __future__ import annotations

import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput


def inputs(binary: bool) -> list[InferInput]:
    values = {
        "temp": ("FP64", np.array([-5.0, 1.0])),
        "hour": ("INT64", np.array([7, 8])),
        "origin": ("BYTES", np.array(["JFK", "EWR"], np.object_)),
        "wet": ("BOOL", np.array([False, True])),
    }
    made = []
    for name, (kind, array) in values.items():
        tensor = InferInput(name, list(array.shape), kind)
        tensor.set_data_from_numpy(array, binary_data=binary)
        made.append(tensor)
    return made


async def main(address: str, model: str) -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    said: dict[str, object] = {
        "live": await client.is_server_live(address),
        "ready": await client.is_server_ready(address),
        "model": await client.is_model_ready(address, model),
        "other": await client.is_model_ready(address, "other"),
    }
    for binary in (True, False):
        wanted = [RequestedOutput("score", {"binary_data": binary})]
        request = InferRequest(model, inputs(binary), "seven", parameters={"entity": "anna"}, request_outputs=wanted)
        answer = await client.infer(address, request, model)
        said["binary" if binary else "json"] = [answer.outputs[0].as_numpy().tolist(), answer.id, answer.parameters]
    try:
        await client.infer(address, InferRequest(model, inputs(False)[:1]), model)
    except httpx.HTTPStatusError as error:
        said["error"] = [error.response.status_code, str(error)]
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
