"""`detent scrub`: is every stored byte still what it was?"""

from __future__ import annotations

from pathlib import Path

import click


@click.command("scrub")
@click.option("--share", default=100.0, show_default=True, help="Percent of the blobs to read; the next call goes on.")
@click.option("--part", default=0, show_default=True, help="Which share: 0, 1, 2 ... such as the number of the day.")
@click.pass_obj
def command(folder: Path, share: float, part: int) -> None:
    """Read stored blobs again and move damaged ones aside; the steps that made them run again when they are needed.

    Ends with status 0 when all are whole, 1 when one is not.
    """
    from detent.loop.workspace import open_pipeline
    from detent.store.scrub import scrub

    if not 0 < share <= 100:
        raise click.BadParameter("give more than 0 and at most 100", param_hint="--share")
    ws = open_pipeline(folder)
    report = scrub(ws.blobs, share / 100, part=part)
    for digest in report.damaged:
        click.echo(f"damaged, moved aside: {digest}")
    for digest, why in report.unreadable:
        click.echo(f"can't be read: {digest}: {why}")
    click.echo(
        f"{report.checked:,} blobs ({report.bytes / 1e6:,.1f} MB) read, {len(report.damaged)} damaged, "
        f"{len(report.unreadable)} unreadable, {len(report.quarantined)} in quarantine, "
        f"{report.leftovers} leftovers removed"
    )
    raise SystemExit(0 if report.clean else 1)
