"""A run as people watch it: a line per step while it goes on, then the verdict or what came out."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from detent.cli.told import FAILED, OK, Told, failures, tell_warnings
from detent.loop.runs.remember import remember
from detent.loop.runs.steps import run_pipeline, steps_of
from detent.loop.runs.unchanged import STATE, Answer, Asked
from detent.loop.workspace import PipelineWorkspace, Workspace, begin, open_pipeline
from detent.pipeline.executors.choose import LOCAL, open_executor
from detent.pipeline.executors.local import LocalExecutor
from detent.pipeline.executors.parents import start_parent
from detent.pipeline.executors.protocol import Executor, Rehearsal
from detent.pipeline.rehearse import expected_variables, keep_variables
from detent.pipeline.run import Order
from detent.pipeline.schedule import How
from detent.pipeline.seal import project_key
from detent.pipeline.trace.driver import noting
from detent.records.run import RunRequest
from detent.records.snapshot import Snapshot
from detent.store.clock import iso

_STYLES = {"failed": "red", "warning": "yellow", "retry": "yellow"}


def run_and_tell(folder: Path, asked: Asked, *, how: How, workers: int, why: bool) -> int:
    """Run the project, remember what decided it, and return the command's exit status."""
    console = Console(highlight=False)
    began = time.time()
    state = folder.resolve() / STATE
    with noting(folder, ignore=[state], key=project_key(state)) as noted:
        if asked.executor == LOCAL:
            start_parent()  # meanwhile the project is opened
        ws = open_pipeline(folder)
        begin(ws)
        executor = open_executor(asked.executor, workers=workers)
        request = RunRequest(
            reason="manual", detail="Asked for on the command line.", asked_at=iso(ws.now()), actor=ws.actor
        )
        order = Order(request=request, how=how, progress=lambda *said: _tell(console, *said))
        try:
            if isinstance(executor, LocalExecutor) and not how.hermetic:
                executor.rehearse(Rehearsal(address=steps_of(ws).address, variables=expected_variables(state)))
            if isinstance(ws, Workspace):
                # What trains and judges models is loaded only for projects that make one.
                from detent.cli.training import train_and_tell

                told = train_and_tell(ws, console, executor, order)
            else:
                told = _build(ws, console, executor, order)
        finally:
            executor.close()
    keep_variables(state, noted.own)
    if why:
        from detent.cli.reasons import print_reasons

        print_reasons(console, told.run, steps_of(ws))
    console.print(told.said, soft_wrap=True)
    if told.run.state == "succeeded":
        count = len(told.run.steps)
        unchanged = f"Nothing changed since {told.run.id}: {count} steps are as they were. {told.said}"
        answer = Answer(said=unchanged, status=told.status, steps=tuple(step.label for step in told.run.steps))
        remember(ws, told.run, answer, asked=asked, noted=noted, until=told.until, began=began)
    return told.status


def _build(ws: PipelineWorkspace, console: Console, executor: Executor, order: Order) -> Told:
    snapshots: dict[str, Snapshot] = {}
    until = None
    if ws.project.data:
        from detent.loop.runs.datasets import ingest_all

        datasets = ingest_all(ws, ws.now())
        snapshots, until = dict(datasets.snapshots), datasets.until
        tell_warnings(console, datasets.checks)
    result = run_pipeline(ws, snapshots, executor=executor, order=order)
    if result.errors:
        logs = ws.state / "runs" / result.run.id
        return Told(run=result.run, status=FAILED, said=failures(result.run, logs), until=until)
    for name, artifact in sorted(result.outputs.items()):
        console.print(f"  {name:20s} {artifact.kind:8s} {artifact.digest[:16]}")
    done = sum(step.outcome == "ran" for step in result.run.steps)
    said = f"{done} of {len(result.run.steps)} steps ran." if done else "No step had to run."
    return Told(run=result.run, status=OK, said=said, until=until)


def _tell(console: Console, step: str, state: str, detail: str) -> None:
    style = _STYLES.get(state, "")
    console.print(f"  {step:20s} {state:8s} ", style=style, end="")
    console.print(detail, style="dim", markup=False, soft_wrap=True)
