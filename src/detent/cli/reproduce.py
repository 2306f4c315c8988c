"""`detent reproduce`: does a run give the same bytes again?"""

from __future__ import annotations

from pathlib import Path

import click


@click.command("reproduce")
@click.argument("run")
@click.option("--workers", default=0, help="Worker processes (default: one per core).")
@click.pass_obj
def command(folder: Path, run: str, workers: int) -> None:
    """Do RUN again from its recorded code, data and parameters, and compare every step's output byte by byte.

    Ends with status 0 when all are the same, 1 when one differs.
    """
    from rich.console import Console

    from detent.loop.runs.steps import steps_of
    from detent.loop.workspace import open_pipeline
    from detent.pipeline.executors.choose import open_executor
    from detent.pipeline.reproduce import SAME, reproduce
    from detent.pipeline.run import Order

    console = Console(highlight=False, soft_wrap=True)
    ws = open_pipeline(folder)
    executor = open_executor("local", workers=workers)
    order = Order(progress=lambda step, state, detail: console.print(f"  {step:20s} {state:8s} {detail}", style="dim"))
    try:
        compared = reproduce(run, workspace=steps_of(ws), executor=executor, order=order)
    finally:
        executor.close()
    styles = {SAME: "green", "changed": "yellow"}
    for step in compared:
        console.print(
            f"  {step.step:20s} {step.state:9s} {step.why}", style=styles.get(step.state, "red"), markup=False
        )
    same = sum(step.state == SAME for step in compared)
    console.print(f"{same} of {len(compared)} steps gave the same bytes.")
    raise SystemExit(0 if same == len(compared) else 1)
