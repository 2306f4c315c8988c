"""detent's serving processes over a bundle, and what moves its traffic: one word on stdin, one line on stdout.

    next     prepare the next version, give it all traffic: "ms of preparing" "monotonic time of the change"
    pids     process ids of the workers

BENCH_MODE names what is on: `all` (key with limits, log), `bare` (none), `asgi` (all, slow path). Metrics always are.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path

import msgspec

from detent.bundle.pack import manifest_digest
from detent.records.key import ApiKey
from detent.records.log import LogPlan
from detent.records.route import Arm, Route
from detent.serving import places
from detent.serving.models.locate import Located, write_index
from detent.serving.pages import keyring
from detent.serving.pages.routes import RoutePage
from detent.serving.workers.settings import SupervisorSettings
from detent.serving.workers.supervisor import Supervisor

SECRET = "bench"
PUBLIC = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"  # of the key in models.py
MODEL, STATE, MODE = Path(os.environ["BENCH_MODEL"]), Path(os.environ["BENCH_STATE"]), os.environ["BENCH_MODE"]


class Traffic:
    """Versions 1, 2, 3 ... are the two bundles in turn."""

    def __init__(self, state: Path) -> None:
        self.state, self.now, self.seq = state, 1, 0
        self.folders = [folder for name in ("bundle", "bundle2") if (folder := MODEL / name).exists()]
        self.page = RoutePage(places.route_page(state))
        self.show(1, (1,))

    def show(self, version: int, loaded: tuple[int, ...]) -> None:
        found = {f"bench/{number}": self.folders[(number - 1) % len(self.folders)] for number in loaded}
        index = {name: Located(digest=manifest_digest(folder), folder=str(folder)) for name, folder in found.items()}
        write_index(self.state, index)
        self.seq += 1
        route = Route(
            endpoint="bench", model="bench", seq=self.seq, arms=(Arm(version=version, weight=10_000),), shadows=(),
            fallback=None, loaded=loaded, salt="bench",
        )  # fmt: skip
        self.page.write([route])

    def move(self, supervisor: Supervisor) -> str:
        began = time.monotonic()
        both = (self.now, self.now + 1)
        self.show(self.now, both)
        refused = supervisor.prepare(both, 30.0)
        if refused:
            raise SystemExit(f"refused: {dict(refused)}")
        ready, self.now = time.monotonic(), self.now + 1
        self.show(self.now, both)
        return f"{1000 * (ready - began):.2f} {ready:.6f}"


def main() -> None:
    STATE.mkdir(parents=True)
    traffic = Traffic(STATE)
    bare = MODE == "bare"
    if not bare:
        # Both limits are looked at on every request and never reached.
        digest = hashlib.sha256(SECRET.encode()).hexdigest()
        limits = {"rate": 1e6, "burst": 100_000, "concurrency": 10_000}
        key = ApiKey(id="key1", name="bench", number=0, digest=digest, scopes=("predict",), **limits)
        keyring.open_page(STATE).put(lambda: msgspec.json.encode((key,)))
    settings = SupervisorSettings(
        state=STATE,
        endpoints=("bench",),
        public_key=bytes.fromhex(PUBLIC),
        workers=int(os.environ.get("BENCH_WORKERS", "1")),
        port=int(os.environ["BENCH_PORT"]),
        log=LogPlan(mode="off" if bare else "durable"),
        fast_path=MODE != "asgi",
    )
    with Supervisor(settings) as supervisor:
        for line in sys.stdin:
            answer = traffic.move(supervisor) if line.strip() == "next" else json.dumps(supervisor.alive())
            print(answer, flush=True)


if __name__ == "__main__":
    main()
