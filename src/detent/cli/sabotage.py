"""`detent sabotage`: see that a bad candidate is stopped."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("sabotage")
@click.argument("kind", required=False)
@click.pass_obj
def command(folder: Path, kind: str | None) -> None:
    """Ship a known-bad candidate of KIND, made from the champion, through the gate and, if it passes, the rollout.

    Without a KIND, list all of them, and where each must be stopped at the latest. `raising` skips the shadow stage, as
    an urgent fix would: its fault shows on live traffic, where callers get the champion's answer instead.
    """
    from detent.loop.sabotage import kinds, stops

    if kind is None:
        for name in kinds():
            click.echo(f"{name:<18} {stops(name)}".rstrip())
        return
    from detent.errors import RefusedError
    from detent.loop.controller import Controller
    from detent.loop.sabotage import ship
    from detent.loop.serve import NeighbourGateway
    from detent.loop.workspace import open_workspace
    from detent.pipeline import LocalExecutor

    ws = open_workspace(folder)
    executor = LocalExecutor(workers=1)
    try:
        told = ship(ws, Controller(ws, NeighbourGateway(ws), executor, tell=click.echo), kind)
    finally:
        executor.close()
    if told is None:
        raise RefusedError(
            what="another rollout is running",
            why="an endpoint has one rollout at a time",
            fix="wait until it ends (`detent status`), or end it with `detent rollback`",
        )
    click.echo(told)
