"""`detent verify`: is the ledger what was written, and the registry what the ledger says?"""

from __future__ import annotations

from pathlib import Path

import click


@click.command("verify")
@click.pass_obj
def command(folder: Path) -> None:
    """Walk the ledger's hash chain and compare the registry's rows and verdicts with it; name every edited row."""
    from dataclasses import replace

    from detent.errors import ProjectError, TamperedError
    from detent.loop.audit import audit
    from detent.loop.reading import only_readable, open_to_read
    from detent.loop.workspace import Workspace, open_ledger, open_pipeline
    from detent.rollout.words import count
    from detent.store import ledger

    db = open_ledger(folder)
    try:
        ws = open_to_read(folder) if only_readable(folder) else open_pipeline(folder)
        found = audit(ws) if isinstance(ws, Workspace) else ledger.verify(ws.db)  # no model, no registry
    except ProjectError as error:
        found = ledger.verify(db)
        click.secho(f"only the ledger was checked, not the registry: the project can't be read: {error.what}", err=True)
    except TamperedError as error:
        chain = ledger.verify(db)
        found = replace(chain, faults=(*chain.faults, error.what))
    for fault in found.faults:
        click.secho(f"broken: {fault}", fg="red")
    if found.faults:
        raise SystemExit(TamperedError.exit_status)
    click.echo(f"intact: {count(found.events, 'event')}, head {found.head[:16]}, content {found.content[:16]}")
