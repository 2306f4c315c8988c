"""Ray Serve with one replica on a head node of its own. BENCH_MODE is haproxy, batch or proxy."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile

from session import MODE, PORT

# Read where Ray Serve is imported: here, and in the processes that Ray starts.
if MODE != "proxy":
    # What its manual calls high throughput: HAProxy in front, replicas that answer HTTP themselves, one event loop.
    os.environ |= {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
    os.environ["RAY_SERVE_HAPROXY_NBTHREAD"] = "1"  # there is one core
# A machine in use may take longer to start it than the 5 and 10 s after which Ray Serve starts anew.
os.environ |= {"RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60", "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60"}
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}  # no words to its makers, no file in HOME

import ray
from ray import serve
from ray.serve.schema import LoggingConfig
from session import Scorer
from starlette.requests import Request
from starlette.responses import JSONResponse


@serve.deployment(max_ongoing_requests=512)  # as shipped it is 5, and whoever is sixth waits for a router that polls
class Model:
    def __init__(self) -> None:
        self.score = Scorer()

    async def __call__(self, request: Request) -> JSONResponse:
        rows = (await request.json())["instances"]
        scores = await self.together(rows) if MODE == "batch" else self.score(rows).tolist()
        return JSONResponse({"predictions": scores})

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.0)
    async def together(self, requests: list[list[list[float]]]) -> list[list[float]]:
        scores = iter(self.score([row for rows in requests for row in rows]).tolist())
        return [[next(scores) for _ in rows] for rows in requests]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:  # not in the cache: a socket's path has 107 bytes
        ray.init(
            num_cpus=1, include_dashboard=False, object_store_memory=80 << 20, log_to_driver=False, _temp_dir=folder
        )  # fmt: skip
        serve.start(http_options={"host": "127.0.0.1", "port": PORT})
        quiet = LoggingConfig(log_level=logging.WARNING, enable_access_log=False)
        serve.run(Model.bind(), route_prefix="/predict", logging_config=quiet)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the folder is removed
        signal.pause()


if __name__ == "__main__":
    main()
