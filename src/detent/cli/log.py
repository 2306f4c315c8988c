"""`detent log`: the ledger, newest last."""

from __future__ import annotations

import json
from pathlib import Path

import click

WIDEST = 200  # characters of a sentence on the terminal; --json shows all


@click.command("log")
@click.option("--kind", help="Only events of this kind, or below it: verdict, verdict.rejected, finding.critical ...")
@click.option("--subject", help="Only events about this subject: run:run-0003, endpoint:flights ...")
@click.option("--since", help="ISO time.")
@click.option("--until", help="ISO time.")
@click.option("-n", "--last", type=click.IntRange(min=1), help="Only the newest N.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, with everything.")
@click.pass_obj
def command(
    folder: Path,
    kind: str | None,
    subject: str | None,
    since: str | None,
    until: str | None,
    last: int | None,
    as_json: bool,
) -> None:
    """Show the ledger, newest last."""
    from detent.cli.moments import moment
    from detent.loop.report.story import sentence
    from detent.loop.workspace import open_ledger
    from detent.store import ledger

    events = list(
        ledger.read(open_ledger(folder), kind=kind, subject=subject, since=moment(since), until=moment(until))
    )
    if not events and not as_json:
        click.echo("the ledger has no such event", err=True)
    for event in events[-last:] if last else events:
        if as_json:
            fields = ("seq", "time", "kind", "subject", "actor", "payload", "observed", "previous", "hash")
            click.echo(json.dumps({name: getattr(event, name) for name in fields}))
        else:
            text = sentence(event)
            text = text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."
            click.echo(f"{event.seq:5d}  {event.time[:19]}  {event.kind:24s} {event.subject:24s} {text}")
