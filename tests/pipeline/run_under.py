"""One run of a project, as a process of its own that can be limited: `python run_under.py FOLDER RUN [LIMIT VALUE]`.

The folder holds `project/` and, after the first run, `state/`. It prints what became of the run as a line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import fsspec
from crash_checks import open_all
from fsspec.implementations.local import LocalFileSystem
from in_process import InProcess

from detent.errors import DetentError
from detent.pipeline.codecs.table import load
from detent.pipeline.graph import build
from detent.pipeline.run import run
from detent.pipeline.workspace import Workspace
from detent.project.code import load_callable
from detent.store.blobs import open_blobs
from detent.testing.faults import FaultyFileSystem, Schedule, seeded


def largest_file(top: Path, value: str) -> None:
    """No file may have more bytes: writes end as on a full disk, with another number."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(value), resource.RLIM_INFINITY))


def faulty_bucket(top: Path, value: str) -> None:
    """Make `bucket://` a kind of object store that makes faults: {"truncate": 0.1, "seed": 3}."""
    rates = json.loads(value)
    schedule: Schedule = seeded(rates.pop("seed"), rates)

    class Bucket(FaultyFileSystem):
        protocol = "bucket"

        def __init__(self, **_: object) -> None:
            super().__init__(LocalFileSystem(auto_mkdir=True), schedule)

    fsspec.register_implementation("bucket", Bucket)


LIMITS: dict[str, Callable[[Path, str], None]] = {
    "largest_file": largest_file,
    "faulty_bucket": faulty_bucket,
}


def workspace_of(top: Path, limit: str) -> Workspace:
    """Open the state; its blobs lie in a bucket when that is what is limited."""
    workspace = open_all(top)
    if limit != "faulty_bucket":
        return workspace
    url = f"bucket://{top}/bucket"
    blobs = open_blobs(url, cache=top / "state" / "cache")
    return Workspace(
        folder=workspace.folder, state=workspace.state, blobs=blobs, db=workspace.db, clock=workspace.clock,
        blobs_url=url,
    )  # fmt: skip


def main(top: Path, name: str, limit: str = "", value: str = "") -> dict[str, object]:
    """Run and say how it went."""
    if limit:
        LIMITS[limit](top, value)
    try:
        workspace = workspace_of(top, limit)
        graph = build(load_callable("steps.py:flow", workspace.folder), inputs=(), params={}, folder=workspace.folder)
        result = run(graph, inputs={}, workspace=workspace, run_id=name, executor=InProcess())
        values = {name: load(artifact, workspace.blobs) for name, artifact in result.outputs.items()}
    except DetentError as error:
        return {"raised": f"{error.code}: {error}"}
    outcomes = {step.label: step.outcome for step in result.run.steps}
    return {"outcomes": outcomes, "errors": [str(error) for error in result.errors], "values": values}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), *sys.argv[2:])))
