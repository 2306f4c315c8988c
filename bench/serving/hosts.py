"""From the commit of a route to its effect on another host: by PostgreSQL's notification, and by looking.

Run: python bench/serving/hosts.py [--changes 100]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from databases import running_server, schema_of
from detent.cli.scaffold import scaffold
from detent.loop.hosts.publish import publish
from detent.loop.releases.release import release
from detent.loop.releases.traffic import desired_route
from detent.loop.servers.serve import NeighbourGateway
from detent.loop.train import train
from detent.loop.workspace import Workspace, open_workspace
from detent.pipeline.executors.local import LocalExecutor
from detent.records.run import RunRequest
from detent.serving import hosts
from detent.serving.pages.routes import RoutePage
from detent.serving.places import route_page
from loop.host_processes import HostProcess, wait_until

ASKED = RunRequest(reason="manual", detail="", asked_at="2025-01-01T00:00:00+00:00", actor="bench")


def main() -> None:
    """Measure both ways."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--changes", type=int, default=100)
    count = parser.parse_args().changes
    with tempfile.TemporaryDirectory() as top, running_server() as server:
        os.environ["DETENT_DATABASE_URL"] = schema_of(server, Path(top, "notified"))
        told = measure(Path(top, "notified"), count)
        os.environ["DETENT_DATABASE_URL"] = f"sqlite:///{top}/looked.db"
        looked = measure(Path(top, "looked"), count)
    for name, times in (("notification", told), ("looking every second", looked)):
        ordered = sorted(1000 * one for one in times)
        at = {share: ordered[min(count - 1, round(share * count))] for share in (0.5, 0.95, 1.0)}
        print(f"{name:22s} median {at[0.5]:7.1f} ms   95 % {at[0.95]:7.1f} ms   longest {at[1.0]:7.1f} ms")


def measure(top: Path, count: int) -> list[float]:
    """Return the seconds from each commit until the other host's processes follow it on their next request."""
    ws = first_host(top)
    second = second_host(ws, top)
    with HostProcess("serve", second) as serving:
        serving.wait()
        wait_until(lambda: [one.state for one in hosts.hosts(ws.db, "shop")] == ["serving"])
        page, route, times = RoutePage(route_page(second / ".detent")), desired_route(ws), list[float]()
        for number in range(count):
            before, route = route, replace(route, salt=str(number))
            publish(ws, before, route)
            began = time.perf_counter()
            while page.read()[1]["shop"].salt != route.salt:
                time.sleep(0.0005)
            times.append(time.perf_counter() - began)
            time.sleep(number * 0.618 % 1.0)  # at any moment of the second that the other host looks in
    ws.db.close()
    return times


def first_host(top: Path) -> Workspace:
    """Make a project whose version 1 is deployed."""
    folder = scaffold(top / "shop", name="shop", template="tabular")
    data = folder / "data" / "orders.parquet"
    orders = pl.read_parquet(data)
    orders.filter(pl.col("placed_at") < orders["placed_at"].min() + pl.duration(days=60)).write_parquet(data)
    ws = open_workspace(folder, actor="bench")
    with LocalExecutor(workers=1) as pool:
        made = train(ws, ASKED, executor=pool).version
    assert made is not None
    release(ws, NeighbourGateway(ws), made.number, reason="bench")
    return ws


def second_host(ws: Workspace, top: Path) -> Path:
    """Make the folder of a host that only serves."""
    folder = top / "second"
    shutil.copytree(ws.folder, folder, ignore=shutil.ignore_patterns(".detent", "data"))
    (folder / ".detent" / "keys").mkdir(parents=True)
    for name in ("signing.pub", "predictions.key"):
        shutil.copy(ws.state / "keys" / name, folder / ".detent" / "keys" / name)
    (folder / ".detent" / "blobs").symlink_to(ws.state / "blobs")
    return folder


if __name__ == "__main__":
    main()
