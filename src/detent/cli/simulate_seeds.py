"""`detent simulate --seeds N` and `--seed K`: simulated weeks in which things go wrong."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path

import click

from detent.testing.sim.campaign import Campaign, prepare
from detent.testing.sim.many import Lived, live_through
from detent.testing.sim.run import run_seed
from detent.testing.sim.shrink import shrink


def many(folder: Path, first: int, seeds: int, jobs: int) -> bool:
    """Live through many weeks, tell of each that broke a promise, and return whether one did."""
    with tempfile.TemporaryDirectory(prefix="detent-campaign-") as temporary:
        campaign = _prepared(folder, Path(temporary))
        began, done = time.monotonic(), 0

        def tell(lived: Lived) -> None:
            nonlocal done
            done += 1
            if lived.broken:
                click.echo(f"seed {lived.seed}: {lived.broken}")
            if done % 50 == 0:
                click.echo(f"{done:5} of {seeds} weeks, {time.monotonic() - began:.0f} s")

        lived = live_through(campaign.folder, range(first, first + seeds), jobs=jobs, tell=tell)
        _conclude(lived, time.monotonic() - began)
        broken = [one for one in lived if one.broken]
        if broken:
            _explain(campaign, broken[0].seed)
        return bool(broken)


def one(folder: Path, seed: int, *, trace: bool) -> bool:
    """Live through one week again and return whether a promise was broken."""
    with tempfile.TemporaryDirectory(prefix="detent-campaign-") as temporary:
        campaign = _prepared(folder, Path(temporary))
        week = run_seed(campaign, seed)
        if trace:
            for line in week.trace:
                click.echo(line)
        click.echo(f"seed {seed}: {week.events} events, {week.answers} answers, content {week.content[:16]}")
        for fault in week.faults:
            click.echo(f"  {fault}")
        if not week.broken:
            click.echo("every promise was kept")
            return False
        click.echo(f"broken: {week.broken}")
        _explain(campaign, seed)
        return True


def _prepared(folder: Path, temporary: Path) -> Campaign:
    logging.disable(logging.CRITICAL)  # refused versions are part of the game
    began = time.monotonic()
    campaign = prepare(folder, temporary / "campaign")
    kinds = sorted({made.kind for made in campaign.pool})
    click.echo(f"{len(campaign.pool)} candidates in {time.monotonic() - began:.0f} s: {', '.join(kinds)}")
    return campaign


def _conclude(lived: list[Lived], seconds: float) -> None:
    events, answers = sum(one.events for one in lived), sum(one.answers for one in lived)
    faults, worked = sum(one.faults for one in lived), sum(one.cpu_seconds for one in lived)
    broken = sum(bool(one.broken) for one in lived)
    click.echo(f"{len(lived)} weeks in {seconds:.0f} s ({worked / len(lived):.1f} CPU seconds each)")
    click.echo(f"{faults:,} faults, {answers:,} answers, {events:,} events in the ledgers")
    click.echo(f"{broken} weeks broke a promise" if broken else "every promise was kept in all of them")


def _explain(campaign: Campaign, seed: int) -> None:
    """Say which faults it takes to break the promise of a seed."""
    least = shrink(run_seed(campaign, seed), lambda faults: run_seed(campaign, seed, faults=faults))
    click.echo(f"the fewest faults that break it: {len(least.faults) or 'none'}")
    for fault in least.faults:
        click.echo(f"  {fault}")
    click.echo(f"again: detent simulate --seed {seed} --trace")
