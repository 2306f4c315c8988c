"""`detent verify`: is the ledger what was written?"""

from __future__ import annotations

from pathlib import Path

import click


@click.command("verify")
@click.pass_obj
def command(folder: Path) -> None:
    """Walk the ledger's hash chain and name every edited, removed or reordered row."""
    from detent.errors import TamperedError
    from detent.loop.workspace import open_ledger
    from detent.store import ledger

    audit = ledger.verify(open_ledger(folder))
    for fault in audit.faults:
        click.secho(f"broken: {fault}", fg="red")
    if audit.faults:
        raise SystemExit(TamperedError.exit_status)
    click.echo(f"intact: {audit.events:,} events, head {audit.head[:16]}, content {audit.content[:16]}")
