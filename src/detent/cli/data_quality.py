"""`detent data check`: does the data keep its contracts, and which rows do not?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click


@click.command("check", short_help="hold the data against its contracts and show the rows that break them")
@click.argument("datasets", nargs=-1)
@click.option("--last", is_flag=True, help="Show what the last check came to; nothing is read.")
@click.option("--install-gx", is_flag=True, help="Make the environment of Great Expectations first (about 600 MB).")
@click.pass_obj
def command(folder: Path, datasets: Sequence[str], last: bool, install_gx: bool) -> None:
    """Read every dataset, hold it against its contract, and show each promise with the first rows that break it.

    What it comes to is recorded like that of a run. Ends with status 0 when every promise that must hold is kept, else
    with 1. DATASETS limits what is shown.
    """
    from rich.console import Console

    from detent.data.expect import gx
    from detent.data.expect.refusal import BrokenContractError
    from detent.data.expect.render import table
    from detent.loop.places import environments
    from detent.loop.runs.contracts import last_checks, rows_of
    from detent.loop.runs.datasets import ingest_all
    from detent.loop.workspace import open_pipeline
    from detent.records.expectation import FAIL
    from detent.store.environments import install

    console = Console(highlight=False)
    ws = open_pipeline(folder)
    if install_gx:
        install(gx.TOOL, environments(ws.state))
    if not last:
        try:
            for name, reason in ingest_all(ws, ws.now()).stale.items():
                console.print(f"[yellow]{name} could not be reached; its last rows are used:[/yellow] {reason}")
        except BrokenContractError:
            pass  # what broke is in the table, with its rows
    found = last_checks(ws, datasets)
    for check in found:
        console.print(table(check, rows_of(ws, check), key=ws.project.source(check.dataset).key))
    if not found:
        console.print("nothing is promised: write `contract:` or `expect:` under a dataset in detent.yaml")
    raise SystemExit(1 if any(check.outcome == FAIL for check in found) else 0)
