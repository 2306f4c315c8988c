"""Run a graph: what is known is taken from the cache, the rest is done, and every step says why."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from detent.errors import ProjectError, StepError
from detent.pipeline import store
from detent.pipeline.artifacts import PARQUET, Artifact, InputFrame
from detent.pipeline.codecs.table import load
from detent.pipeline.executors.protocol import Executor
from detent.pipeline.fingerprint.code import CodeReader
from detent.pipeline.frame import framed_digest
from detent.pipeline.lock import run_lock
from detent.pipeline.nodes import Graph, Port
from detent.pipeline.plan import refuse_uncomparable
from detent.pipeline.schedule import Schedule
from detent.pipeline.workspace import Workspace
from detent.records.run import Run, RunRequest
from detent.store.blobs import Blobs
from detent.store.clock import iso

Progress = Callable[[str, str, str], None]  # (step, state, detail); state: start, hit, ran, retry, failed, skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A run that has ended, and what came out of it."""

    run: Run
    outputs: Mapping[str, Artifact]  # by name, as the pipeline returned them; empty when the run failed
    errors: tuple[StepError, ...]  # one for each failed step
    code_digest: str  # of all code that the pipeline's steps reach
    environment_digest: str  # of the Python, detent and package versions that they use
    blobs: Blobs

    def value(self, name: str, kind: type | None = None) -> Any:
        """Open an output.

        Raises:
            StepError: the run failed.
            ProjectError: there is no output of that name, or it is not of this kind.
        """
        if self.errors:
            raise self.errors[0]
        if name not in self.outputs:
            raise ProjectError(
                what=f"pipeline `{self.run.pipeline}` returns no `{name}`",
                why=f"it returns {', '.join(self.outputs) or 'nothing'}",
                fix=f"return Candidate(...) or a dict with `{name}`",
            )
        value = load(self.outputs[name], self.blobs)
        if kind is not None and not isinstance(value, kind):
            raise ProjectError(
                what=f"output `{name}` of pipeline `{self.run.pipeline}` is a {type(value).__name__}",
                why=f"a {kind.__name__} is needed here",
                fix=f"let the step that makes `{name}` return a {kind.__name__}",
            )
        return value


def run(
    graph: Graph,
    *,
    inputs: Mapping[str, InputFrame],
    workspace: Workspace,
    run_id: str,
    executor: Executor,
    progress: Progress = lambda *_: None,
    request: RunRequest | None = None,
) -> RunResult:
    """Bring every step of the graph to its result and return the run, whether it succeeded or failed.

    A step is a hit when its code, what that reaches, its parameters, its inputs' bytes and its environment are those of
    a stored result whose bytes are undamaged. A failed step leaves independent branches running; steps behind it are
    skipped. The executor stays open: it belongs to the caller.

    Raises:
        BusyError: another run is going on in this workspace.
        ProjectError: an input is missing, project code is no valid Python, or a parameter can't be compared.
        RefusedError: the run id was used before.
        StoreError: the database or the blob store can't be written.
    """
    artifacts = _input_artifacts(graph, inputs)
    refuse_uncomparable(graph.nodes)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", run_id):
        raise ProjectError(
            what=f"`{run_id}` can't name a run", why="it becomes a folder name", fix="use letters, digits, . _ and -"
        )
    with run_lock(workspace.state / "run.lock"):
        reader = CodeReader(workspace.folder)
        code = reader.code_of([(node.module, node.attribute) for node in graph.nodes])
        schedule = Schedule(graph, artifacts, workspace=workspace, run_id=run_id, reader=reader, progress=progress)
        ended = _finish(schedule, _begin(graph, workspace, run_id, request), workspace, executor)
    return RunResult(
        run=ended,
        outputs={} if schedule.errors else {name: schedule.artifacts[port] for name, port in graph.results},
        errors=tuple(schedule.errors),
        code_digest=framed_digest(dict(code.components)),
        environment_digest=framed_digest(dict(code.environment)),
        blobs=workspace.blobs,
    )


def _begin(graph: Graph, workspace: Workspace, run_id: str, request: RunRequest | None) -> Run:
    started = iso(workspace.clock.now())
    begun = Run(id=run_id, pipeline=graph.name, started_at=started, steps=(), state="running", request=request)
    with workspace.db.transaction() as tx:
        store.begin_run(tx, begun)
    return begun


def _finish(schedule: Schedule, begun: Run, workspace: Workspace, executor: Executor) -> Run:
    """Do all steps and store how the run ended, also when an exception (such as Ctrl-C) breaks it off."""
    state = "failed"
    try:
        schedule.finish(executor)
        state = "failed" if schedule.errors else "succeeded"
    finally:
        executor.cancel()  # only after an exception is anything still running
        ended = dataclasses.replace(begun, steps=schedule.step_runs(), state=state)
        with workspace.db.transaction() as tx:
            store.end_run(tx, ended)
    return ended


def _input_artifacts(graph: Graph, inputs: Mapping[str, InputFrame]) -> dict[Port, Artifact]:
    artifacts = {}
    for name in graph.inputs:
        if name not in inputs:
            raise ProjectError(
                what=f"pipeline `{graph.name}` got no data for `{name}`",
                why=f"it was given {', '.join(sorted(inputs)) or 'nothing'}",
                fix=f"declare `{name}` in the `data` section of detent.yaml",
            )
        frame = inputs[name]
        artifacts[Port(name, "")] = Artifact(digest=frame.digest, kind=PARQUET, parts=frame.parts)
    return artifacts
