"""The execution contract as a program: what `python -m detent.exec` does, and what its exit status means."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from detent.errors import BusyError, MissingExtraError, ProjectError, StoreError
from detent.pipeline import store
from detent.pipeline.attempt import Attempts
from detent.pipeline.bundle_code import unbundle_code
from detent.pipeline.document import Document, load_document
from detent.pipeline.execute import attempt_name, execute, log_name, too_early
from detent.pipeline.executors.messages import outcome_to_json
from detent.pipeline.executors.protocol import Done, Ended, Outcome, Raised, Task
from detent.pipeline.failure import said, step_error
from detent.pipeline.readiness import WAIT, Skip, readiness
from detent.pipeline.results import FAILED, Results
from detent.pipeline.session import Sessions, unknown_run
from detent.pipeline.trace.tracer import Tracer
from detent.pipeline.workspace import Address, Workspace, open_address
from detent.project.database import IN_ENVIRONMENT, database_of
from detent.records.run import WHOLE, StepRun
from detent.store.clock import SystemClock, iso

OK, USER_ERROR, RETRY, CONFIGURATION = 0, 70, 75, 78


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What the command line says."""

    graph: str  # digest of the graph document
    run: str
    step: str
    share: tuple[int, int]  # (i, n): of a fan-out's items, those numbered i, i + n, i + 2n ...
    attempt: int
    hermetic: bool
    force: bool
    code: str  # folder with the project's code; "": the code that was stored with the run
    blobs: str  # URL; "": `blobs` in the state folder
    database: str  # path; "": `detent.db` in the state folder


def run_contract(call: Call, state: Path, say: Callable[[str], None], complain: Callable[[str], None]) -> int:
    """Execute a step, or its share of a fan-out, and return the exit status; each item says one line of JSON.

    0: there is a result (made now, or before), or the step is skipped. 70: the step's code or its data is at fault.
    75: another attempt may succeed. 78: the project or this machine is not set up for it; no attempt will succeed.
    What goes wrong is also complained of, for people.

    Raises:
        DetentError: it can't even be tried (78): no such store, run, graph or step, or it is not the step's turn yet.
    """
    tracer = Tracer()  # before anything starts a thread: it forks
    workspace = _open(call, state)
    try:
        document = load_document(call.graph, workspace.blobs)
        shards = _shards(call, document, workspace)
        task = _task(call, document, workspace)
        sessions, attempts, status = Sessions(), Attempts(tracer), OK
        try:
            for shard in shards:
                item = replace(task, shard=shard)
                outcome = execute(item, sessions, attempts)
                if not isinstance(outcome, Done):
                    complain(write_failure(workspace, document, Ended(task=item, outcome=outcome, seconds=0.0)).error)
                say(json.dumps(outcome_to_json(outcome)))
                status = max(status, status_of(outcome))
        finally:
            sessions.close()
        return status
    finally:
        workspace.db.close()


def status_of(outcome: Outcome) -> int:
    """Return the exit status that stands for an outcome."""
    if isinstance(outcome, Done):
        return OK
    if isinstance(outcome, Raised):
        if outcome.transient or isinstance(outcome.error, StoreError | BusyError):
            return RETRY
        if isinstance(outcome.error, ProjectError | MissingExtraError):
            return CONFIGURATION
        return USER_ERROR
    return RETRY


def write_failure(workspace: Workspace, document: Document, ended: Ended) -> StepRun:
    """Note in the tables that a step failed, and return the row; a later attempt replaces it."""
    task = ended.task
    name = task.step if task.shard == WHOLE else f"{task.step}[{task.shard}]"
    error = step_error(ended, name=name, log=str(workspace.state / log_name(task)))
    row = StepRun(
        step=task.step, shard=task.shard, outcome=FAILED, why=task.why, seconds=ended.seconds, attempts=task.attempt,
        log=log_name(task), error=said(error), ended_at=iso(workspace.clock.now()),
    )  # fmt: skip
    with workspace.db.transaction() as tx:
        store.set_step_runs(tx, task.run, [(document.positions[task.step], row)])
        store.end_attempt(tx, attempt_name(task), outcome=FAILED)
    return row


def _open(call: Call, state: Path) -> Workspace:
    state = state.resolve()
    database = call.database or database_of(state / "detent.db")
    if database != IN_ENVIRONMENT and not Path(database).is_file():
        raise ProjectError(
            what="there is no store here",
            why=f"{database} does not exist",
            fix="set DETENT_STORE to the state folder (.detent) of the project",
        )
    address = Address(folder=call.code, state=str(state), database=database, blobs=call.blobs or str(state / "blobs"))
    return open_address(address, SystemClock())


def _shards(call: Call, document: Document, workspace: Workspace) -> Sequence[int]:
    node = document.node(call.step)
    inputs = store.run_inputs(workspace.db, call.run)
    if inputs is None:
        raise unknown_run(call.run, workspace)
    results = Results(call.run, document, inputs, workspace.db, workspace.blobs)
    state = readiness(node, results)
    if state == WAIT:
        raise too_early(node, call.run)  # no failure of the step: a row of it would skip all that follows
    if not node.over or isinstance(state, Skip):
        return [WHOLE]
    first, of = call.share
    return range(first, results.width(node), of)


def _task(call: Call, document: Document, workspace: Workspace) -> Task:
    folder = Path(call.code).resolve() if call.code else _checkout(document, workspace)
    return Task(
        address=replace(workspace.address, folder=str(folder)),
        graph=call.graph,
        run=call.run,
        step=call.step,
        shard=WHOLE,
        attempt=call.attempt,
        hermetic=call.hermetic,
        force=call.force,
        code=document.bundle,
    )


def _checkout(document: Document, workspace: Workspace) -> Path:
    """Bring the code that was stored with the run to this machine."""
    folder = workspace.state / "code" / document.bundle[:32]
    unbundle_code(document.bundle, folder, workspace)
    return folder
