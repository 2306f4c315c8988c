"""`detent expire`: remove predictions that are older than `serving.log.keep_days`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("expire")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.pass_obj
def command(folder: Path, dry_run: bool) -> None:
    """Remove whole days of predictions that are older than the project keeps them. `detent up` does this by itself.

    A day stays while one of its rows may still wait for its label.
    """
    from detent.loop.expire import due, tend
    from detent.loop.workspace import open_workspace

    ws = open_workspace(folder)
    found = due(ws)
    if found is None:
        click.echo("predictions are kept for ever; set serving.log.keep_days to change that")
        return
    verb = "would remove" if dry_run else "removed"
    if not dry_run:
        tend(ws)
    span = f" ({found.days[0]} to {found.days[-1]})" if found.days else ""
    click.echo(f"{verb} {len(found.days)} days of predictions{span}, {found.bytes:,} bytes")
