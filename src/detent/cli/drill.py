"""`detent drill`: rehearse what must work when it has to."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("drill")
def command() -> None:
    """Rehearse on serving processes of their own; production is not touched. The result goes into the ledger."""


@command.command("rollback", short_help="go back under load, and see how long it takes and whether a request fails")
@click.option("--requests", default=2000, show_default=True, type=click.IntRange(100), help="Sent while it happens.")
@click.option(
    "--workers", default=0, type=click.IntRange(min=0), help="Serving processes (default: as the project says)."
)
@click.pass_obj
def rollback(folder: Path, requests: int, workers: int) -> None:
    """Go from the champion back to the version before it under load, and measure it.

    Ends with status 1 when a request failed.
    """
    from detent.loop.releases.drill import CONNECTIONS, drill_rollback
    from detent.loop.workspace import open_workspace

    done = drill_rollback(open_workspace(folder), requests=requests, workers=workers)
    click.echo(
        f"version {done.left} -> {done.back_to}: first answer after {done.first * 1000:.1f} ms, "
        f"last answer of version {done.left} after {done.last * 1000:.1f} ms"
    )
    processes = f"{done.processes} process{'' if done.processes == 1 else 'es'}"
    click.echo(
        f"{done.failed:,} of {done.requests:,} requests failed ({CONNECTIONS} connections, {processes}, nothing loaded)"
    )
    raise SystemExit(1 if done.failed else 0)
