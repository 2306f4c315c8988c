"""All that a process needs to execute the tasks of one run, opened once and kept from task to task."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from detent.errors import ProjectError
from detent.pipeline import store
from detent.pipeline.artifacts import Artifact
from detent.pipeline.document import Document, load_document
from detent.pipeline.executors.protocol import Task
from detent.pipeline.fingerprint.code import CodeReader
from detent.pipeline.planner import Planner
from detent.pipeline.results import Results
from detent.pipeline.seal import project_key
from detent.pipeline.trace.reads import Memo
from detent.pipeline.workspace import Workspace, open_address
from detent.project.sources import import_sources_of
from detent.store.clock import SystemClock, parse


class _Stamp:
    """The moment that a task says it is: runs under a virtual clock stamp their results with it."""

    def __init__(self) -> None:
        self.moment: datetime | None = None

    def now(self) -> datetime:
        return self.moment or SystemClock().now()


@dataclass(slots=True)
class _Open:
    of: tuple[object, ...]  # what it was opened for: (address, graph, run, code)
    workspace: Workspace
    stamp: _Stamp
    document: Document
    inputs: dict[str, Artifact]
    reader: CodeReader
    key: bytes
    memo: Memo


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One task, ready to be executed."""

    workspace: Workspace
    document: Document
    results: Results
    planner: Planner
    reader: CodeReader
    key: bytes  # the project's, for values of variables


class Sessions:
    """Opens tasks; what the tasks of one run share is opened once."""

    def __init__(self, *, durable: bool = True) -> None:
        self._durable = durable  # False: the run that this process works for syncs everything before it ends
        self._open: _Open | None = None

    def open(self, task: Task) -> Session:
        """Return a session with an empty memory of results: other processes add to the tables.

        Raises:
            ProjectError: there is no such run.
            StoreError: the store can't be reached.
        """
        of = (task.address, task.graph, task.run, task.code)
        if self._open is None or self._open.of != of:
            self.close()
            self._open = _open(task, of, durable=self._durable)
        known = self._open
        known.stamp.moment = parse(task.now) if task.now else None
        workspace, document = known.workspace, known.document
        results = Results(task.run, document, known.inputs, workspace.db, workspace.blobs)
        planner = Planner(
            results, workspace, known.reader, pipeline=document.graph.name, run=task.run, kept=(known.key, known.memo)
        )
        return Session(
            workspace=workspace,
            document=document,
            results=results,
            planner=planner,
            reader=known.reader,
            key=known.key,
        )

    def close(self) -> None:
        """Let go of the database."""
        if self._open is not None:
            self._open.workspace.db.close()
            self._open = None


def unknown_run(run: str, workspace: Workspace) -> ProjectError:
    """Return the error for a run that the store does not know."""
    return ProjectError(
        what=f"there is no run {run}",
        why=f"{workspace.db.path} has no row of it",
        fix="begin it with `detent run`, or name the store of the project that it belongs to",
    )


def _open(task: Task, of: tuple[object, ...], *, durable: bool) -> _Open:
    stamp = _Stamp()
    workspace = open_address(task.address, stamp, durable=durable)
    inputs = store.run_inputs(workspace.db, task.run)
    if inputs is None:
        workspace.db.close()
        raise unknown_run(task.run, workspace)
    import_sources_of(workspace.folder)
    return _Open(
        of=of,
        workspace=workspace,
        stamp=stamp,
        document=load_document(task.graph, workspace.blobs),
        inputs=inputs,
        reader=CodeReader(workspace.folder),
        key=project_key(workspace.state),
        memo=Memo(),
    )
