"""`detent why`: why a rollout went as it did."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("why")
@click.argument("rollout")
@click.pass_obj
def command(folder: Path, rollout: str) -> None:
    """Explain ROLLOUT (its id, or its number) and take every decision again.

    Ends with status 2 when a decision comes out differently now, or the log lacks rows that were counted for it.
    """
    from detent.loop.reading import open_to_read
    from detent.loop.releases.explain import explain

    found = explain(open_to_read(folder), rollout)
    for line in found.lines:
        click.echo(line)
    if found.differs:
        raise SystemExit(2)
