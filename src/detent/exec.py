"""`python -m detent.exec`: one step of one run, on whatever machine; every executor and exporter runs exactly this."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import click

from detent.errors import DetentError
from detent.pipeline.contract import CONFIGURATION, Call, run_contract


@click.command("detent.exec")
@click.option("--graph", required=True, help="Digest of the graph document.")
@click.option("--run", required=True, help="Id of the run.")
@click.option("--step", required=True, help="Name of the step in the graph.")
@click.option("--shard", default="0/1", show_default=True, help="Of a fan-out's items: those numbered i, i+n, i+2n ...")
@click.option("--attempt", default=1, show_default=True, help="Number of this attempt.")
@click.option("--hermetic", is_flag=True, help="Let the step read only what it declares.")
@click.option("--force", is_flag=True, help="Run it even when there is a result, and compare.")
@click.option("--code", default="", help="Folder with the project's code; by default the code stored with the run.")
@click.option(
    "--store", envvar="DETENT_STORE", default=".detent", show_default=True, help="State folder of the project."
)
@click.option(
    "--blobs", envvar="DETENT_BLOBS", default="", help="URL of the blob store, if it is not in the state folder."
)
@click.option("--attached", is_flag=True, help="End when standard input is closed: whoever started it is gone.")
@click.option("--database", envvar="DETENT_DB", default="", help="Path of the database, if not in the state folder.")
def main(
    graph: str, run: str, step: str, shard: str, attempt: int, hermetic: bool, force: bool, code: str, store: str,
    blobs: str, database: str, attached: bool,
) -> None:  # fmt: skip
    """Bring one step to its result. Exit status: 0 done or skipped, 70 user error, 75 try again, 78 configuration."""
    call = Call(
        graph=graph,
        run=run,
        step=step,
        share=_share(shard),
        attempt=attempt,
        hermetic=hermetic,
        force=force,
        code=code,
        blobs=blobs,
        database=database,
    )
    try:
        if attached:
            threading.Thread(target=_end_with_starter, daemon=True).start()
        status = run_contract(call, Path(store), click.echo, _complain)
    except DetentError as error:
        _complain(str(error))
        status = CONFIGURATION
    sys.stdout.flush()
    os.dup2(2, 1)  # what libraries print when they end must not look like an answer
    sys.exit(status)


def _complain(text: str) -> None:
    click.echo(f"error: {text}", err=True)


def _end_with_starter() -> None:
    while os.read(0, 1024):
        pass
    os._exit(130)


def _share(text: str) -> tuple[int, int]:
    first, slash, of = text.partition("/")
    if not slash or not first.isdigit() or not of.isdigit() or int(first) >= int(of):
        raise click.BadParameter("write i/n with 0 <= i < n, such as 0/4", param_hint="--shard")
    return int(first), int(of)


if __name__ == "__main__":
    main()
