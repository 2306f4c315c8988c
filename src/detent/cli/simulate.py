"""`detent simulate`: history through the live loop, under a virtual clock."""

from __future__ import annotations

import time
from pathlib import Path

import click


@click.command("simulate")
@click.option("--fresh", is_flag=True, help="Delete the project's state (.detent) first.")
@click.pass_obj
def command(folder: Path, fresh: bool) -> None:
    """Replay history day by day through the real server, database and registry.

    Writes report/simulation.png and report/simulation.html. Ends with status 0 only if every expected kind of event is
    in the ledger, every sabotage was stopped and the hash chain verifies.
    """
    from rich.console import Console

    from detent.cli.conclusion import show
    from detent.cli.history import Progress
    from detent.loop.conclude import conclude
    from detent.loop.simulate import simulate, simulation

    console = Console(highlight=False)
    began = time.monotonic()
    with simulation(folder, fresh=fresh) as (ws, clock, world):
        with Progress(console, ws) as progress:
            replayed = simulate(ws, clock, world, tell=progress.tell, watch=progress.watch)
        conclusion = conclude(ws, replayed)
    show(console, conclusion, seconds=time.monotonic() - began)
    raise SystemExit(1 if conclusion.complaints else 0)
