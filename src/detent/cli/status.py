"""`detent status`: who serves, what is rolling out, what is open."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("status")
@click.pass_obj
def command(folder: Path) -> None:
    """Show versions and aliases, traffic, the running rollout, open episodes and the state of the ledger."""
    from rich.console import Console

    from detent.cli.overview import overview
    from detent.loop.reading import open_to_read

    Console(highlight=False).print(overview(open_to_read(folder)))
