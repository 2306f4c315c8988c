"""From an answer in another host's log until the controller's decisions count it, on PostgreSQL.

Run: python bench/serving/answers_of_hosts.py [--answers 30]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from databases import running_server, schema_of
from detent.cli.scaffold import scaffold
from detent.loop.hosts.open_host import open_host
from detent.loop.hosts.sending import Sending
from detent.loop.hosts.taking import Taking
from detent.loop.workspace import ServingHost, Workspace, open_workspace
from detent.predictions import read
from detent.records.route import Arm, Route
from detent.serving import hosts
from detent.serving.identifiers import load_or_create_key
from detent.serving.pages.routes import RoutePage
from detent.serving.places import prediction_key, route_page
from loop.answering import Answering, plain

TICK_SECONDS = 1.0  # of the controller


def main() -> None:
    """Measure while versions are compared, and else."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--answers", type=int, default=30)
    count = parser.parse_args().answers
    with tempfile.TemporaryDirectory() as top, running_server() as server:
        os.environ["DETENT_DATABASE_URL"] = schema_of(server, Path(top, "shop"))
        first, second = made(Path(top))
        for name, weights in (("in a rollout", (9000, 1000)), ("else", (10_000,))):
            times = sorted(measure(first, second, count, weights))
            at = [times[min(count - 1, round(share * count))] for share in (0.5, 0.95, 1.0)]
            print(f"{name:14s} median {at[0]:5.2f} s   95 % {at[1]:5.2f} s   longest {at[2]:5.2f} s")
        second.db.close()
        first.db.close()


def made(top: Path) -> tuple[Workspace, ServingHost]:
    """Make two hosts without a model: nothing here looks at one."""
    folder = scaffold(top / "shop", name="shop", template="tabular")
    first = open_workspace(folder, actor="bench")
    load_or_create_key(prediction_key(first.state))
    shutil.copytree(folder, top / "second", ignore=shutil.ignore_patterns(".detent", "data"))
    state = top / "second" / ".detent"
    (state / "keys").mkdir(parents=True)
    for name in ("signing.pub", "predictions.key"):
        shutil.copy(first.state / "keys" / name, state / "keys" / name)
    (state / "blobs").symlink_to(first.state / "blobs")
    second = open_host(top / "second")
    for ws in (first, second):
        with ws.db.transaction() as tx:
            hosts.enrol(tx, ws.state, "shop", ws.now())
    return first, second


def measure(first: Workspace, second: ServingHost, count: int, weights: tuple[int, ...]) -> list[float]:
    """Return the seconds from each answer until it is in the log that the controller reads."""
    arms = tuple(Arm(version=number, weight=weight) for number, weight in enumerate(weights, start=1))
    route = Route(endpoint="shop", model="shop", seq=1, arms=arms, shadows=(), fallback=None, loaded=(), salt="")
    RoutePage(route_page(second.state)).write([route])
    taking, answering, times = Taking(first, tell=print), Answering(second, site=2), list[float]()
    taking.take()
    with Sending(second, tell=print, keeps=False):
        for number in range(count):
            time.sleep(number * 0.618 % 1.0)  # at any moment between two looks
            said, began = answering.say(plain(1))[0], time.perf_counter()
            while said not in read(first.state)["id"]:
                time.sleep(TICK_SECONDS)
                taking.take()
            times.append(time.perf_counter() - began)
    return times


if __name__ == "__main__":
    main()
