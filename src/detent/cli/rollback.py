"""`detent rollback`: back to the previous champion, now."""

from __future__ import annotations

from pathlib import Path

import click

from detent.cli.typed import Words


@click.command("rollback")
@click.option("--reason", type=Words(), default="operator", show_default=True, help="Why; it goes into the ledger.")
@click.pass_obj
def command(folder: Path, reason: str) -> None:
    """End the running rollout, or go back to the previous champion. Every process follows on its next request."""
    from detent.loop.releases.release import rollback
    from detent.loop.servers.serve import NeighbourGateway
    from detent.loop.workspace import open_workspace

    ws = open_workspace(folder)
    click.echo(rollback(ws, NeighbourGateway(ws), reason=reason))
