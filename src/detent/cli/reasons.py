"""Why each step ran: what changed, with the code's own difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console

from detent.pipeline import store
from detent.pipeline.artifacts import Artifact
from detent.pipeline.explain import artifact_at, code_diff, rows_change
from detent.pipeline.parts import Parts
from detent.pipeline.plan import changes
from detent.pipeline.workspace import Workspace
from detent.records.run import Run

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def print_reasons(console: Console, run: Run, workspace: Workspace) -> None:
    """Print a line per step of a run that has ended, and below it the differences to the step's last result."""
    for step in run.steps:
        console.print(f"  {step.label:20s} {step.outcome:8s} {step.why}", markup=False)
        if step.outcome != "ran":
            continue
        before = store.previous_parts(workspace.db, run.pipeline, step=step.step, shard=step.shard, run=run.id)
        now = store.parts_of_entry(workspace.db, step.key, step.variant)
        if before is not None and now is not None:

            def artifact_now(origin: str) -> Artifact | None:
                return artifact_at(origin, run.id, workspace.db)

            difference = Difference(now=now, before=before.parts, last_run=before.run, artifact=artifact_now)
            print_changes(console, difference, workspace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two results of a step, and where to find what went in."""

    now: Parts
    before: Parts
    last_run: str  # that made or used the one before
    artifact: Callable[[str], Artifact | None]  # where something comes from -> what comes from there now


def print_changes(console: Console, found: Difference, workspace: Workspace) -> None:
    """Print what differs between two results, indented; code as a unified diff, frames with their rows."""
    for change in changes(found.now, found.before):
        if change.part == "code":
            console.print(f"      {change}", style="bold", markup=False)
            for line in code_diff(change, now=found.now, before=found.before, blobs=workspace.blobs):
                console.print(f"        {line}", style=_COLOURS.get(line[:1], ""), markup=False)
            continue
        rows = ""
        if change.part == "input":
            before = artifact_at(change.name, found.last_run, workspace.db)
            rows = rows_change(found.artifact(change.name), before, workspace.blobs)
        console.print(f"      {change}{': ' if rows else ''}{rows}", markup=False)
