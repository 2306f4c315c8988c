"""Runs of a project in a process of their own that can be limited: `python run_under.py FOLDER LIMIT RUN=VALUE ...`.

The folder holds `project/` and, after the first run, `state/`. What became of each run is printed as a line of JSON.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from crash_checks import open_all
from in_process import InProcess

from detent.errors import DetentError
from detent.pipeline.codecs.table import load
from detent.pipeline.graph import build
from detent.pipeline.run import run
from detent.pipeline.workspace import Workspace
from detent.project.code import load_callable
from detent.store.blobs import open_blobs


def largest_file(value: str) -> None:
    """No file may have more bytes: writes end as on a full disk, with another number."""
    if value:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(value), resource.RLIM_INFINITY))


def faulty_bucket(value: str) -> None:
    """Make `bucket://` a kind of object store that makes faults: {"truncate": 0.1, "seed": 3}."""
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    from detent.testing.faults import FaultyFileSystem, seeded

    rates = json.loads(value)
    schedule = seeded(rates.pop("seed", 0), rates)

    class Bucket(FaultyFileSystem):
        protocol = "bucket"

        def __init__(self, **_: object) -> None:
            super().__init__(LocalFileSystem(auto_mkdir=True), schedule)

    fsspec.register_implementation("bucket", Bucket, clobber=True)


LIMITS: dict[str, Callable[[str], None]] = {"largest_file": largest_file, "faulty_bucket": faulty_bucket}


def workspace_of(top: Path, limit: str) -> Workspace:
    """Open the state; its blobs lie in a bucket when that is what is limited."""
    workspace = open_all(top)
    if limit != "faulty_bucket":
        return workspace
    url = f"bucket://{top}/bucket"
    return dataclasses.replace(workspace, blobs=open_blobs(url, cache=top / "state" / "cache"), blobs_url=url)


def main(top: Path, limit: str, name: str, value: str) -> dict[str, object]:
    """Run and say how it went."""
    LIMITS[limit](value)
    executor = InProcess()
    try:
        workspace = workspace_of(top, limit)
        graph = build(load_callable("steps.py:flow", workspace.folder), inputs=(), params={}, folder=workspace.folder)
        result = run(graph, inputs={}, workspace=workspace, run_id=name, executor=executor)
        values = {name: load(artifact, workspace.blobs) for name, artifact in result.outputs.items()}
    except DetentError as error:
        return {"raised": f"{error.code}: {error}"}
    finally:
        executor.close()
    outcomes = {step.label: step.outcome for step in result.run.steps}
    return {"outcomes": outcomes, "errors": [str(error) for error in result.errors], "values": values}


if __name__ == "__main__":
    for name, _, value in (given.partition("=") for given in sys.argv[3:]):
        sys.stdout.write(f"{json.dumps(main(Path(sys.argv[1]), sys.argv[2], name, value))}\n")
