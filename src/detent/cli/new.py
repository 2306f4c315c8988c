"""`detent new`: a project that runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("new")
@click.argument("name")
@click.option("--template", type=click.Choice(["tabular"]), default="tabular", show_default=True)
@click.pass_obj
def command(folder: Path, name: str, template: str) -> None:
    """Make a project NAME in a new folder of that name, with sample data and a test of its whole loop."""
    from detent.cli.scaffold import scaffold

    made = scaffold(folder / name, name=name, template=template)
    click.echo(f"made {made}; try:\n  cd {name}\n  detent simulate")
