"""`detent at TIME`: what served then, judged by whom, moved by whom and why."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("at")
@click.argument("time")
@click.pass_obj
def command(folder: Path, time: str) -> None:
    """Say what served at TIME (ISO), on which data it was trained and judged, and who moved it there and why."""
    from detent.cli.moments import moment
    from detent.loop.history import state_at
    from detent.loop.workspace import open_workspace

    for line in state_at(open_workspace(folder), moment(time) or ""):
        click.echo(line)
