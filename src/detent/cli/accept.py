"""`detent accept`: a change of code that does not matter."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("accept")
@click.argument("step")
@click.option("--reason", required=True, help="Why the change does not matter; it goes into the ledger with your name.")
@click.pass_obj
def command(folder: Path, step: str, reason: str) -> None:
    """Let the last result of STEP count for its code as it is now, instead of running it again.

    Only changes of code and packages can be accepted: other data or parameters give another result.
    """
    from detent.loop.runs.preview import accept_step
    from detent.loop.workspace import begin, open_pipeline

    ws = open_pipeline(folder)
    begin(ws)
    calls = accept_step(ws, step, reason)
    click.echo(
        f"accepted: the last result of `{step}` counts for the code as it is now ({calls} call{'s'[: calls > 1]})"
    )
