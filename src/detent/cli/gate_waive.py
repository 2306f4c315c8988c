"""`detent gate waive` and `detent gate waivers`: exceptions that people answer for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from detent.gate.waivers import Kept
    from detent.loop.judging.waive import Granted
    from detent.loop.workspace import Workspace


@click.command("waive")
@click.argument("verdict", metavar="VERDICT")
@click.argument("check")
@click.option("--reason", required=True, help="Why the model may pass all the same; it goes into the ledger.")
@click.option("--until", required=True, metavar="DATE", help="When it ends: a date (its midnight, UTC) or an ISO time.")
@click.option("--by", "owner", metavar="NAME", help="Who answers for it (default: whoever runs this command).")
@click.pass_obj
def waive(folder: Path, verdict: str, check: str, reason: str, until: str, owner: str | None) -> None:
    """Answer for CHECK, which VERDICT (or the verdict of a run) does not pass; the model is not judged again.

    When nothing else is in the way, the model becomes a version. Status 1: other checks still are.
    """
    from detent.cli.moments import moment
    from detent.loop.judging.judged import find_judged
    from detent.loop.judging.waive import grant
    from detent.loop.workspace import open_workspace
    from detent.store.clock import parse

    end = parse(str(moment(until)))
    ws = open_workspace(folder)
    granted = grant(ws, find_judged(ws, verdict), check, owner=owner or ws.actor, reason=reason, until=end)
    _tell(granted)
    raise SystemExit(0 if granted.verdict is not None else 1)


@click.command("waivers")
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@click.pass_obj
def waivers(folder: Path, everything: bool) -> None:
    """Show who answers for what, and until when. Ends with status 1 when a waiver was forged or edited."""
    from detent.gate.waivers import EXPIRED, kept
    from detent.loop.judging.waivers import fault, note_expired
    from detent.loop.workspace import open_workspace

    ws = open_workspace(folder)
    note_expired(ws)
    rows, forged, over = kept(ws.db, ws.model), 0, 0
    for row in rows:
        wrong = fault(ws, row)
        if wrong:
            forged += 1
            click.secho(f"{row.id[:12]}  worth nothing: {wrong}", fg="red")
        elif row.state != EXPIRED or everything:
            for line in _lines(ws, row):
                click.echo(line)
        else:
            over += 1
    if not rows:
        click.echo("nobody answers for anything: every version passed by itself")
    if over:
        click.echo(f"{over} more are over: --all shows them")
    raise SystemExit(1 if forged else 0)


def _tell(granted: Granted) -> None:
    from detent.gate.waived import told

    click.echo(told(granted.waiver))
    if granted.verdict is None:
        click.echo(f"{len(granted.in_the_way)} more in the way, so it does not pass yet:")
        for result in granted.in_the_way:
            click.echo(f"  {result.decision:<12}  {result.check}")
        return
    click.echo(f"The gate says pass: {granted.verdict.reason}.")
    if granted.version is not None:
        number = granted.version.number
        click.echo(f"It is version {number}; roll it out with: detent deploy {number}")


def _lines(ws: Workspace, row: Kept) -> list[str]:
    from detent.registry import versions

    waiver = row.waiver
    assert waiver is not None
    version = versions.find(ws.db, ws.model, waiver.bundle)
    what = f"bundle {waiver.bundle[:12]}" if version is None else f"version {version.number}"
    state = {"granted": "not used", "used": "in use", "expired": "over"}[row.state]
    return [
        f"{waiver.id[:12]}  until {waiver.expires[:16].replace('T', ' ')}  {state:<8}  {what:<12}  {waiver.owner}",
        f"              {waiver.check}: {waiver.reason}",
    ]
