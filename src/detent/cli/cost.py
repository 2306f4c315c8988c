"""`detent cost`: what runs and versions took, and what that costs at the project's prices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from detent.records.cost import Cost

_HEAD = f"{'':14s}  {'CPU':>10s}  {'wall':>10s}  {'stored':>10s}  {'requests':>10s}  {'money':>12s}"


@click.command("cost")
@click.option("--run", "run_id", help="Only this run, such as run-0003.")
@click.option("--version", "number", type=int, help="Only this version: its training, and its answers.")
@click.option("--since", default="30d", show_default=True, help="An age, such as 7d, or an ISO time.")
@click.pass_obj
def command(folder: Path, run_id: str | None, number: int | None, since: str) -> None:
    """Show what trainings and answers cost. Prices stand in detent.yaml under `prices`."""
    from detent.cli.moments import ago
    from detent.loop.cost import per_thousand, run_cost, run_of, total, version_cost
    from detent.loop.workspace import open_workspace
    from detent.registry import versions
    from detent.trigger import store

    ws = open_workspace(folder)
    start, prices = ago(since, ws.now(), "--since"), ws.project.prices
    if run_id is not None:
        costs = [(run_id, _known(run_cost(ws, run_id), run_id))]
    elif number is not None:
        version = versions.get(ws.db, ws.model, number)
        trained = run_of(ws, number)
        answers = (f"version {number}", version_cost(ws, version, start, ws.now()))
        costs = [answers] if trained is None else [(version.run, trained), answers]
    else:
        runs = [one.run for one in store.trainings_since(ws.db, ws.model, start)]
        costs = [(run, cost) for run in runs if (cost := run_cost(ws, run)) is not None]
        costs += [
            (f"version {version.number}", version_cost(ws, version, start, ws.now()))
            for version in versions.all_versions(ws.db, ws.model)
        ]
    if not costs:
        click.echo("nothing was trained or registered yet, so nothing has cost anything")
        return
    click.echo(_HEAD)
    for name, cost in costs:
        each = per_thousand(cost)
        more = "" if each is None else f"  {each:.4g} {prices.currency} per 1,000"
        click.echo(_line(name, cost, prices.currency) + more)
    if len(costs) > 1:
        click.echo(_line("in all", total([cost for _, cost in costs], prices), prices.currency))
    click.echo("Runs pay for 30 days of what they stored. GPU seconds are not measured.")


def _line(name: str, cost: Cost, currency: str) -> str:
    requests = f"{cost.requests:,}" if cost.requests else "-"
    return (
        f"{name:14s}  {cost.cpu_seconds:8.1f} s  {cost.wall_seconds:8.1f} s  {cost.bytes / 1e6:7.2f} MB  "
        f"{requests:>10s}  {cost.money:.6f} {currency}"
    )


def _known(cost: Cost | None, run_id: str) -> Cost:
    from detent.errors import RefusedError

    if cost is None:
        raise RefusedError(
            what=f"there is no run `{run_id}`",
            why="the state of this project knows no run of that name",
            fix="see `detent log --kind run.started`",
        )
    return cost
