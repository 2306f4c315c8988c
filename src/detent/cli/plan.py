"""`detent plan`: what a run would do, and why. Nothing is run."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("plan")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per step.")
@click.option("--all", "everything", is_flag=True, help="List steps that are hits, too.")
@click.pass_obj
def command(folder: Path, as_json: bool, everything: bool) -> None:
    """Say for each step whether it is a hit, will run or may run, what changed, and how long it took the last times."""
    from rich.console import Console

    from detent.cli.expectations import difference_of
    from detent.cli.reasons import print_changes
    from detent.loop.runs.preview import preview_project
    from detent.loop.runs.steps import steps_of
    from detent.loop.workspace import open_pipeline
    from detent.pipeline.preview import HIT, MAYBE, RUN, expected_seconds

    ws = open_pipeline(folder)
    steps = preview_project(ws)
    if as_json:
        for step in steps:
            changed = [str(change) for change in step.changes]
            told = {"step": step.step, "shard": step.shard, "state": step.state, "why": step.why}
            click.echo(json.dumps({**told, "changes": changed, "seconds": step.seconds}))
        return
    console = Console(highlight=False, soft_wrap=True)
    styles = {RUN: "yellow", MAYBE: "cyan", "broken": "red"}
    for step in steps:
        if step.state == HIT and not everything:
            continue
        label = step.step if step.shard < 0 else f"{step.step}[{step.shard}]"
        took = f"  ~{_length(step.seconds)}" if step.seconds is not None and step.seconds >= 1 else ""
        console.print(f"  {label:20s} {step.state:7s} {step.why}{took}", style=styles.get(step.state, ""), markup=False)
        difference = difference_of(step)
        if difference is not None:
            print_changes(console, difference, steps_of(ws))
    counts = {state: sum(step.state == state for step in steps) for state in (HIT, RUN, MAYBE)}
    sure, at_most = expected_seconds(steps)
    times = f", about {_length(sure)}" + (f" and at most {_length(at_most)}" if at_most > sure else "")
    console.print(f"{counts[HIT]} hits, {counts[RUN]} will run, {counts[MAYBE]} may run{times if counts[RUN] else ''}.")


def _length(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else "a second"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
