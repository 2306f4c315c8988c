"""`detent at TIME`: what served then, judged by whom, moved by whom and why."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("at")
@click.argument("time", default="now")
@click.pass_obj
def command(folder: Path, time: str) -> None:
    """Say what served at TIME (ISO; default: now), judged on which data, and who moved it there and why."""
    from detent.cli.moments import moment
    from detent.loop.releases.history import state_at
    from detent.loop.workspace import open_workspace
    from detent.store.clock import iso

    ws = open_workspace(folder)
    for line in state_at(ws, iso(ws.now()) if time == "now" else moment(time) or ""):
        click.echo(line)
