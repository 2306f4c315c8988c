"""`detent run`: the pipeline to a verdict."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("run")
@click.option("--why", is_flag=True, help="Say for each step why it ran, or that nothing had changed.")
@click.pass_obj
def command(folder: Path, why: bool) -> None:
    """Run the pipeline on everything known now, judge the candidate, and register it if the gate lets it in.

    Ends with status 0 for a pass, 1 for a refusal, 2 for a failure.
    """
    from rich.console import Console

    from detent.gate.render import table
    from detent.loop.judge import is_pass
    from detent.loop.train import log_folder, train
    from detent.loop.workspace import open_workspace
    from detent.pipeline import LocalExecutor
    from detent.records.run import RunRequest
    from detent.store.clock import iso

    console = Console(highlight=False)
    ws = open_workspace(folder)
    executor = LocalExecutor(workers=2)
    request = RunRequest(
        reason="manual", detail="Asked for on the command line.", asked_at=iso(ws.now()), actor=ws.actor
    )
    try:
        outcome = train(
            ws,
            request,
            executor=executor,
            progress=lambda step, state, detail: console.print(f"  {step:20s} {state:8s} [dim]{detail}[/dim]"),
        )
    finally:
        executor.close()
    if why:
        for step in outcome.run.steps:
            console.print(f"  {step.step:20s} {step.outcome:8s} {step.why}")
    if outcome.verdict is None:
        for step in outcome.run.steps:
            if step.outcome == "failed":
                console.print(f"[red]failed:[/red] {step.error}")
        console.print(f"logs: {log_folder(ws, outcome.run.id)}")
        raise SystemExit(2)
    console.print(table(outcome.verdict, width=console.width))
    if outcome.judged_in is not None:
        console.print(f"nothing changed since {outcome.judged_in}: the same model from the same rows, judged then")
    if outcome.version is not None:
        console.print(
            f"registered as version {outcome.version.number}; roll it out with: detent deploy {outcome.version.number}"
        )
    raise SystemExit(0 if is_pass(outcome.verdict) else 1)
