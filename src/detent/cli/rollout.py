"""`detent rollout`: what a rollout will take, to start or prolong one, and those that there were."""

from __future__ import annotations

from pathlib import Path

import click

from detent.cli.typed import Number, Words


@click.group("rollout")
def command() -> None:
    """Plan, start, prolong and list rollouts. `detent why` explains one, `detent rollback` ends it."""


@command.command("plan", short_help="how long each stage will take, and what it can show")
@click.option(
    "--rate", type=Number(min=0), help="Requests per second to reckon with (default: what was logged lately)."
)
@click.option(
    "--failing",
    type=Number(0, 1),
    help="The champion's share of failures, 0..1 (default: what was logged lately).",
)
@click.pass_obj
def plan(folder: Path, rate: float | None, failing: float | None) -> None:
    """Print how long each stage will take, and what it can and can't show."""
    from detent.cli.rollout_plan import Told, plan_lines
    from detent.loop.releases.forecast import traffic
    from detent.loop.workspace import open_workspace

    ws = open_workspace(folder)
    seen = traffic(ws)
    for line in plan_lines(
        ws.project.rollout,
        rate=seen.rate if rate is None else rate,
        failing=seen.failing if failing is None else failing,
        told=Told(rate=rate is not None, failing=failing is not None),
        labels_within=ws.project.monitor.labels_within,
    ):
        click.echo(line)


@command.command("start", short_help="roll out one version or several")
@click.argument("numbers", type=int, nargs=-1, required=True)
@click.option("--reason", type=Words(), default="operator", show_default=True, help="Why; it goes into the ledger.")
@click.pass_obj
def start(folder: Path, numbers: tuple[int, ...], reason: str) -> None:
    """Roll out version NUMBERS: one for a canary, one or more for an A/B test or a bandit.

    Ends with status 1 when a serving process refuses a version.
    """
    from detent.cli.begun import begun_lines, status_of
    from detent.loop.releases.release import release
    from detent.loop.servers.serve import NeighbourGateway
    from detent.loop.workspace import open_workspace

    ws = open_workspace(folder)
    gateway = NeighbourGateway(ws)
    rollout = release(ws, gateway, numbers[0], rivals=numbers[1:], reason=reason)
    for line in begun_lines(ws, rollout, gateway):
        click.echo(line)
    raise SystemExit(status_of(rollout))


@command.command("extend", short_help="give the running stage its whole time again")
@click.option("--reason", type=Words(), required=True, help="Why more time will help; it goes into the ledger.")
@click.pass_obj
def extend(folder: Path, reason: str) -> None:
    """Give the stage of the running rollout its whole time again: for one that ended without an answer."""
    from detent.loop.releases.release import extend as prolong
    from detent.loop.workspace import open_workspace

    ws = open_workspace(folder)
    rollout = prolong(ws, reason=reason)
    click.echo(f"{rollout.id} has its whole time again, from {rollout.stage_since[:19]} UTC on")


@command.command("list", short_help="the rollouts that there were, the newest first")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="Only the newest N.")
@click.pass_obj
def listed(folder: Path, limit: int) -> None:
    """List rollouts, the newest first. Their first word is what `detent why` takes."""
    from detent.loop.reading import open_to_read
    from detent.rollout import store
    from detent.rollout.words import candidates

    ws = open_to_read(folder)
    known = store.history(ws.db, ws.project.serving.endpoint)
    if not known:
        click.echo("no version was rolled out yet: detent deploy")
    for rollout in known[: -limit - 1 : -1]:
        beside = "" if rollout.champion is None else f", beside version {rollout.champion}"
        state = rollout.state.replace("_", " ")
        click.echo(
            f"{rollout.id}  {rollout.started_at[:19]} UTC  {rollout.kind} of {candidates(rollout)}{beside}: {state}"
        )
        click.echo(f"  {rollout.reason}")
