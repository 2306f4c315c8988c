"""`detent hosts`: what other hosts answered and this one could not take."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("hosts")
def command() -> None:
    """Look after what other hosts send to the one with the controller."""


@command.command("aside", short_help="parcels of other hosts that could not be taken, and why")
@click.pass_obj
def aside(folder: Path) -> None:
    """Show the parcels of other hosts that could not be taken, and why. They are kept, and windows lack their rows."""
    from detent.loop.workspace import open_workspace
    from detent.predictions.parcels_aside import parcels_aside

    found = parcels_aside(open_workspace(folder).db)
    if not found:
        click.echo("everything that other hosts sent was taken, or nothing was sent")
        return
    for one in found:
        parcel = one.parcel
        until, again = (time[:16].replace("T", " ") for time in (parcel.until, one.again_at))
        click.echo(f"{one.name}  parcel {parcel.number}  {parcel.bytes:,} bytes  up to {until}  {one.why}")
        click.echo(f"  blob {parcel.digest}  tried again at {again}")
    click.echo("when the cause is mended: detent hosts retake", err=True)


@command.command("retake", short_help="try every parcel that is aside once more")
@click.pass_obj
def retake(folder: Path) -> None:
    """Have the controller try every parcel that is aside at its next look. It also does so once an hour."""
    from detent.loop.workspace import open_workspace
    from detent.predictions.parcels_aside import try_again

    ws = open_workspace(folder)
    with ws.db.transaction() as tx:
        count = try_again(tx, ws.now())
    if not count:
        click.echo("nothing is aside")
        return
    what = "1 parcel is" if count == 1 else f"{count} parcels are"
    click.echo(f"{what} tried again at the next look of `detent up`")
