"""`detent deploy`: start a version's way to all traffic."""

from __future__ import annotations

from pathlib import Path

import click

from detent.cli.typed import Words


@click.command("deploy")
@click.argument("number", type=int, required=False)
@click.option("--reason", type=Words(), default="operator", show_default=True, help="Why; it goes into the ledger.")
@click.pass_obj
def command(folder: Path, number: int | None, reason: str) -> None:
    """Roll out version NUMBER. It climbs the stages of detent.yaml while `detent up` runs.

    Without NUMBER it is the newest that is no sabotage. Ends with status 1 when a serving process refuses the version.
    """
    from detent.cli.begun import begun_lines, status_of
    from detent.errors import RefusedError
    from detent.loop.releases.release import release
    from detent.loop.servers.serve import NeighbourGateway
    from detent.loop.workspace import open_workspace
    from detent.registry import versions

    ws = open_workspace(folder)
    known = [one for one in versions.all_versions(ws.db, ws.model) if not one.origin.startswith("sabotage:")]
    if not known and number is None:
        raise RefusedError(
            what="there is no version to deploy",
            why="no candidate has passed the gate yet",
            fix="run the pipeline: detent run",
        )
    gateway = NeighbourGateway(ws)
    rollout = release(ws, gateway, known[-1].number if number is None else number, reason=reason)
    for line in begun_lines(ws, rollout, gateway):
        click.echo(line)
    raise SystemExit(status_of(rollout))
