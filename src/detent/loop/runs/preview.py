"""What would `detent run` do with this project's steps?"""

from __future__ import annotations

from detent.errors import RefusedError, did_you_mean
from detent.loop.runs.datasets import ingest_all
from detent.loop.runs.steps import frame_of, project_graph, steps_of
from detent.loop.workspace import PipelineWorkspace
from detent.pipeline.accept import accept, acceptable
from detent.pipeline.preview import Expected, preview
from detent.pipeline.run import input_artifacts
from detent.records.event import Fact
from detent.store import ledger
from detent.store.clock import iso


def preview_project(ws: PipelineWorkspace) -> list[Expected]:
    """Return what a run would do with each step, on the data as it is known now.

    Raises:
        DetentError: the data or the pipeline is invalid.
    """
    snapshots = ingest_all(ws, ws.now()).snapshots if ws.project.data else {}
    graph = project_graph(ws)
    frames = {name: frame_of(snapshot) for name, snapshot in snapshots.items()}
    return preview(graph, inputs=input_artifacts(graph, frames), workspace=steps_of(ws))


def accept_step(ws: PipelineWorkspace, step: str, reason: str) -> int:
    """Let the last result of a step count for its code as it is now; return how many calls of it were accepted.

    Raises:
        RefusedError: there is no such step, it would not run, or not only its code or packages have changed.
    """
    steps = preview_project(ws)
    mine = [expected for expected in steps if expected.step == step]
    if not mine:
        raise RefusedError(
            what=f"there is no step `{step}`",
            why="the pipeline does not call it",
            fix=did_you_mean(step, sorted({expected.step for expected in steps})),
        )
    open_ones = [expected for expected in mine if expected.state != "hit"] or mine[:1]
    entries = [(expected, acceptable(expected, ws.db)) for expected in open_ones]
    with ws.db.transaction() as tx:
        for expected, entry in entries:
            accept(tx, expected, entry, by=ws.actor, reason=reason, now=iso(ws.now()))
        changed = sorted({str(change) for expected, _ in entries for change in expected.changes})
        payload = {"reason": reason, "changes": changed, "calls": len(entries)}
        ledger.append(tx, Fact(kind="step.accepted", subject=f"step:{step}", actor=ws.actor, payload=payload), ws.now())
    return len(entries)
