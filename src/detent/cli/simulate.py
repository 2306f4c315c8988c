"""`detent simulate`: history through the live loop, or simulated weeks in which things go wrong."""

from __future__ import annotations

import time
from pathlib import Path

import click


@click.command("simulate")
@click.option("--fresh", is_flag=True, help="Delete the project's state (.detent) first.")
@click.option("--seeds", type=click.IntRange(1), help="Live through so many simulated weeks in which things go wrong.")
@click.option("--first", type=click.IntRange(0), default=1, show_default=True, help="The first seed of --seeds.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Processes for --seeds.")
@click.option("--seed", type=click.IntRange(0), help="Live through one of these weeks again.")
@click.option("--trace", is_flag=True, help="With --seed: print what happened, a line for each thing.")
@click.pass_obj
def command(folder: Path, fresh: bool, seeds: int | None, first: int, jobs: int, seed: int | None, trace: bool) -> None:
    """Replay history day by day through the real server, database and registry.

    Writes report/simulation.png and report/simulation.html. Ends with status 0 only if every expected kind of event is
    in the ledger, every sabotage was stopped and the hash chain verifies.

    With --seeds, or --seed for one of them, weeks of this project's loop are simulated in memory instead: processes
    die, the store refuses, clocks jump, labels come late or twice. Ends with status 0 only if no promise was broken.
    The project's own state is neither read nor changed.
    """
    weeks = seeds is not None or seed is not None
    if seeds is not None and seed is not None:
        raise click.UsageError("--seed is one simulated week and --seeds are many: give one of them")
    if trace and seed is None:
        raise click.UsageError("--trace shows one simulated week: say which, with --seed N")
    if fresh and weeks:
        raise click.UsageError("simulated weeks never touch the project's state: leave --fresh out")
    if weeks:
        from detent.cli.simulate_seeds import many, one

        broken = one(folder, seed, trace=trace) if seed is not None else many(folder, first, seeds or 1, jobs)
        raise SystemExit(1 if broken else 0)
    from rich.console import Console

    from detent.cli.conclusion import show
    from detent.cli.history import Progress
    from detent.loop.simulated.conclude import conclude
    from detent.loop.simulated.simulate import simulate, simulation

    console = Console(highlight=False)
    began = time.monotonic()
    with simulation(folder, fresh=fresh) as (ws, clock, world):
        with Progress(console, ws) as progress:
            replayed = simulate(ws, clock, world, tell=progress.tell, watch=progress.watch)
        conclusion = conclude(ws, replayed)
    show(console, conclusion, seconds=time.monotonic() - began)
    raise SystemExit(1 if conclusion.complaints else 0)
