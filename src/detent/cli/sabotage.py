"""`detent sabotage`: see that a bad candidate is stopped."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("sabotage")
@click.argument("kind", required=False)
@click.option("--for-good", is_flag=True, help="Let `edited_database` make this state untrue, for good.")
@click.pass_obj
def command(folder: Path, kind: str | None, for_good: bool) -> None:
    """Ship a known-bad candidate of KIND, made from the champion, through the gate and, if it passes, the rollout.

    Without a KIND, list all of them, and where each must be stopped at the latest. `raising` skips the shadow stage, as
    an urgent fix would: its fault shows on live traffic, where callers get the champion's answer instead. A kind that
    harms less than the lines of the gate forbid passes it, and says so.
    """
    from detent.loop.sabotage.ship import kinds, stops

    if kind is None:
        for name in kinds():
            click.echo(f"{name:<18} {stops(name)}".rstrip())
        return
    from detent.errors import RefusedError
    from detent.loop.controller import Controller
    from detent.loop.sabotage.ship import lasting, ship
    from detent.loop.sabotage.tampering import ADMISSION
    from detent.loop.servers.serve import NeighbourGateway
    from detent.loop.workspace import open_workspace
    from detent.pipeline import LocalExecutor
    from detent.serving.counts.counters import held_slots
    from detent.serving.places import counter_files

    if lasting(kind) and not for_good:
        raise RefusedError(
            what=f"`{kind}` edits this project's database by hand",
            why="`detent verify` will name its rows, and `detent up` will not start on such a state again",
            fix=f"copy the folder, start `detent up` there, and there run: detent sabotage {kind} --for-good",
        )
    ws = open_workspace(folder)
    if kind in kinds() and stops(kind) == ADMISSION and not held_slots(counter_files(ws.state)):
        raise RefusedError(
            what=f"nobody would look at `{kind}`",
            why="a serving process must refuse it, and none runs here",
            fix="start one, then try again: detent up",
        )
    executor = LocalExecutor(workers=1)
    try:
        told = ship(ws, Controller(ws, NeighbourGateway(ws), executor, tell=lambda _: None), kind)
    finally:
        executor.close()
    if told is None:
        raise RefusedError(
            what="another rollout is running",
            why="an endpoint has one rollout at a time",
            fix="wait until it ends (`detent status`), or end it with `detent rollback`",
        )
    click.echo(told)
