"""A project's pipeline, run on snapshots: what training and projects without a model have in common."""

from __future__ import annotations

from collections.abc import Mapping

from detent.loop.lineage.checkout import checkout_fact
from detent.loop.lineage.openlineage import emit
from detent.loop.workspace import PipelineWorkspace
from detent.pipeline.artifacts import InputFrame
from detent.pipeline.executors.protocol import Executor
from detent.pipeline.graph import build
from detent.pipeline.nodes import Graph
from detent.pipeline.run import Order, RunResult, run
from detent.pipeline.workspace import Workspace as Steps
from detent.project.code import load_callable
from detent.project.database import IN_ENVIRONMENT
from detent.records.event import Fact
from detent.records.snapshot import Snapshot
from detent.store import ledger


def run_steps(
    ws: PipelineWorkspace,
    snapshots: Mapping[str, Snapshot],
    *,
    run_id: str,
    executor: Executor,
    order: Order,
) -> RunResult:
    """Run the project's pipeline on these snapshots.

    Raises:
        DetentError: the pipeline is invalid. A step that fails is no exception: the result says so.
    """
    return run(
        project_graph(ws),
        inputs={name: frame_of(snapshot) for name, snapshot in snapshots.items()},
        workspace=steps_of(ws),
        run_id=run_id,
        executor=executor,
        order=order,
    )


def project_graph(ws: PipelineWorkspace) -> Graph:
    """Return the graph that the project's pipeline wires."""
    function = load_callable(ws.project.pipeline, ws.folder)
    names = tuple(source.name for source in ws.project.data)
    return build(function, inputs=names, params=dict(ws.project.params), folder=ws.folder)


def steps_of(ws: PipelineWorkspace) -> Steps:
    """Return the places and ports of a project as the pipeline room knows them."""
    database = IN_ENVIRONMENT if ws.shared else ""
    return Steps(folder=ws.folder, state=ws.state, blobs=ws.blobs, db=ws.db, clock=ws.clock, database=database)


def frame_of(snapshot: Snapshot) -> InputFrame:
    """Return a snapshot as the input of a pipeline."""
    return InputFrame(digest=snapshot.id, parts=tuple(part.digest for part in snapshot.parts))


def silent(step: str, state: str, detail: str) -> None:
    """Say nothing about the progress."""
    del step, state, detail


def run_pipeline(
    ws: PipelineWorkspace, snapshots: Mapping[str, Snapshot], *, executor: Executor, order: Order
) -> RunResult:
    """Run the pipeline of a project that makes no model, with its events in the ledger.

    Raises:
        DetentError: the pipeline is invalid; the failure is in the ledger.
    """
    checkout = checkout_fact(ws.folder)  # it asks git, which takes longer than a transaction should
    with ws.db.transaction() as tx:
        run_id = f"run-{1 + ledger.count_by_kind(tx).get('run.started', 0):04d}"
        reason = order.request.reason if order.request else "manual"
        started = Fact(
            kind="run.started",
            subject=f"run:{run_id}",
            actor=ws.actor,
            payload={"pipeline": ws.project.pipeline, "reason": reason},
            observed=checkout,
        )
        ledger.append(tx, started, ws.now())
    try:
        result = run_steps(ws, snapshots, run_id=run_id, executor=executor, order=order)
    except BaseException as error:
        ws.record(_ended(ws, run_id, "run.failed", {"error": str(error) or type(error).__name__}))
        emit(ws)
        raise
    if result.errors:
        ws.record(_ended(ws, run_id, "run.failed", {"error": result.errors[0].what}))
    else:
        outcomes: dict[str, int] = {}
        for row in result.run.steps:
            outcomes[row.outcome] = outcomes.get(row.outcome, 0) + 1
        ws.record(_ended(ws, run_id, "run.succeeded", {"outcomes": outcomes}))
    emit(ws)
    return result


def _ended(ws: PipelineWorkspace, run_id: str, kind: str, payload: dict[str, object]) -> Fact:
    return Fact(kind=kind, subject=f"run:{run_id}", actor=ws.actor, payload=payload)
