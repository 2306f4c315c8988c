"""Run a graph: what is known is taken from the cache, the rest is done, and every step says why."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from detent.errors import ProjectError, StepError
from detent.pipeline import store
from detent.pipeline.artifacts import PARQUET, Artifact, InputFrame
from detent.pipeline.bundle_code import bundle_code
from detent.pipeline.codecs.table import load
from detent.pipeline.document import Document, store_document
from detent.pipeline.executors.protocol import Executor, Task
from detent.pipeline.fingerprint.code import CodeReader
from detent.pipeline.frame import framed_digest
from detent.pipeline.lease import SECONDS, is_alive, owner_name
from detent.pipeline.nodes import Graph
from detent.pipeline.packages import heavy_packages
from detent.pipeline.plan import refuse_uncomparable
from detent.pipeline.planner import Planner
from detent.pipeline.results import DONE, Results
from detent.pipeline.schedule import How, Progress, Schedule
from detent.pipeline.scratch import remove_left
from detent.pipeline.tokens import refuse_impossible
from detent.pipeline.workspace import Workspace, unhurried
from detent.records.run import WHOLE, Run, RunRequest
from detent.store.atomic import sync_filesystem
from detent.store.blobs import Blobs, FolderBlobs
from detent.store.clock import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A run that has ended, and what came out of it."""

    run: Run
    outputs: Mapping[str, Artifact]  # by name, as the pipeline returned them; without those of skipped steps
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for besides the graph: how to run it, and on whose request."""

    request: RunRequest | None = None
    how: How = field(default_factory=How)
    progress: Progress = lambda *_: None


def run(
    graph: Graph,
    *,
    inputs: Mapping[str, InputFrame],
    workspace: Workspace,
    run_id: str,
    executor: Executor,
    order: Order | None = None,
) -> RunResult:
    """Bring every step of the graph to its result and return the run, whether it succeeded or failed.

    A step is a hit when its code, what that reaches, its parameters, its inputs' bytes, its environment and what else
    it reads are those of a stored result whose bytes are undamaged. A failed step leaves independent branches running;
    steps behind it are skipped. Several runs may go on at once: a step that two of them need is done by one. The
    executor stays open: it belongs to the caller.

    Raises:
        ProjectError: an input is missing, project code is no valid Python, or a parameter can't be compared.
        RefusedError: the run id was used before.
        StoreError: the database or the blob store can't be written.
    """
    order = order or Order()
    artifacts = input_artifacts(graph, inputs)
    refuse_uncomparable(graph.nodes)
    refuse_impossible(graph.nodes, executor.total())
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", run_id):
        raise ProjectError(
            what=f"`{run_id}` can't name a run", why="it becomes a folder name", fix="use letters, digits, . _ and -"
        )
    document = Document(graph=graph, bundle=bundle_code(graph, workspace))
    return run_document(document, artifacts, workspace=workspace, run_id=run_id, executor=executor, order=order)


def run_document(
    document: Document,
    inputs: Mapping[str, Artifact],
    *,
    workspace: Workspace,
    run_id: str,
    executor: Executor,
    order: Order,
) -> RunResult:
    """Run what a graph document says, with the code in the workspace's folder; see `run`."""
    graph = document.graph
    reader = CodeReader(workspace.folder)
    code = reader.code_of([(node.module, node.attribute) for node in graph.nodes])
    begun = _begin(document, inputs, workspace, run_id, order.request)
    results = Results(run_id, document, inputs, workspace.db, workspace.blobs)
    schedule = Schedule(
        document,
        workspace=workspace,
        results=results,
        # The texts of the code that it stores are on the disk when the run ends, as what the steps make is.
        planner=Planner(results, unhurried(workspace), reader, pipeline=graph.name, run=run_id),
        template=Task(
            address=workspace.address,
            graph=begun.graph,
            run=run_id,
            step="",
            shard=WHOLE,
            hermetic=order.how.hermetic,
            code=framed_digest([str(workspace.folder), *sorted(code.files.items())]),
            packages=heavy_packages(graph, code, inputs.values()),
        ),
        how=order.how,
        progress=order.progress,
    )
    ended = _finish(schedule, begun, workspace, executor)
    there = [(name, port) for name, port in graph.results if results.state(port.source) == DONE]
    return RunResult(
        run=ended,
        outputs={} if schedule.errors else {name: results.artifact(port) for name, port in there},
        errors=tuple(schedule.errors),
        code_digest=framed_digest(dict(code.components)),
        environment_digest=framed_digest(dict(code.environment)),
        blobs=workspace.blobs,
    )


def _begin(
    document: Document, inputs: Mapping[str, Artifact], workspace: Workspace, run_id: str, request: RunRequest | None
) -> Run:
    begun = Run(
        id=run_id,
        pipeline=document.graph.name,
        started_at=iso(workspace.clock.now()),
        steps=(),
        state="running",
        request=request,
        graph=store_document(document, workspace.blobs),
    )
    remove_left(workspace.state)
    with workspace.db.transaction() as tx:
        for other in store.running(tx, besides=run_id):
            lease = store.find_lease(tx, _run_key(other))
            if lease is None or not lease.owner or not is_alive(lease.owner):  # it was killed
                store.end_run(tx, other, state="failed", ended_at=begun.started_at)
                store.drop_lease(tx, _run_key(other))
        store.begin_run(tx, begun, inputs)
        store.take_lease(tx, _run_key(run_id), owner=owner_name(os.getpid()), expires=time.time() + SECONDS)
    return begun


def _run_key(run_id: str) -> str:
    return f"run {run_id}"


def _finish(schedule: Schedule, begun: Run, workspace: Workspace, executor: Executor) -> Run:
    """Do all steps and store how the run ended, also when an exception (such as Ctrl-C) breaks it off."""
    state = "failed"
    try:
        schedule.finish(executor)
        state = "failed" if schedule.errors else "succeeded"
    finally:
        executor.cancel()  # only after an exception is anything still running
        if isinstance(workspace.blobs, FolderBlobs):
            with contextlib.suppress(OSError):  # a full disk: the transaction below says so
                sync_filesystem(workspace.state)
                sync_filesystem(workspace.blobs.folder)  # it may lie on another disk
        with workspace.db.transaction(wait=store.PATIENCE) as tx:
            store.end_run(tx, begun.id, state=state, ended_at=iso(workspace.clock.now()))
            store.drop_lease(tx, _run_key(begun.id))
    ended = store.load_run(workspace.db, begun.id)
    assert ended is not None
    return ended


def input_artifacts(graph: Graph, inputs: Mapping[str, InputFrame]) -> dict[str, Artifact]:
    """Return the datasets that a pipeline takes, by name.

    Raises:
        ProjectError: one of them is not given.
    """
    artifacts = {}
    for name in graph.inputs:
        if name not in inputs:
            raise ProjectError(
                what=f"pipeline `{graph.name}` got no data for `{name}`",
                why=f"it was given {', '.join(sorted(inputs)) or 'nothing'}",
                fix=f"declare `{name}` in the `data` section of detent.yaml",
            )
        frame = inputs[name]
        artifacts[name] = Artifact(digest=frame.digest, kind=PARQUET, parts=frame.parts)
    return artifacts
