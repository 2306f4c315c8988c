"""`detent lineage`: what a thing was made from, and what was made from it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click


@click.command("lineage")
@click.argument("target", required=False)
@click.option("--up", is_flag=True, help="What it was made from (default for models, runs and steps).")
@click.option("--down", is_flag=True, help="What was made from it (default for datasets).")
@click.option("--json", "as_json", is_flag=True, help="Everything, as nodes and edges.")
@click.option("--all", "everything", is_flag=True, help="Show every step and run, however many there are.")
@click.option("--send", is_flag=True, help="Tell the OpenLineage sinks now what they don't know yet.")
@click.pass_obj
def command(
    folder: Path, target: str | None, up: bool, down: bool, as_json: bool, everything: bool, send: bool
) -> None:
    """Show where TARGET comes from, or what became of it.

    TARGET: MODEL, MODEL@ALIAS, MODEL@N or just N; a run; RUN/STEP; a dataset; DATASET@DIGEST; or the beginning of any
    digest.
    Without TARGET: which OpenLineage sinks were told how much.
    """
    from rich.console import Console

    from detent.cli.lineage_tree import sinks_table, tree
    from detent.loop.lineage.find import find_target, lineage, usual_direction
    from detent.loop.lineage.openlineage import emit
    from detent.loop.workspace import open_ledger, open_pipeline
    from detent.records.lineage import DOWN, UP
    from detent.store.canonical import canonical
    from detent.tracking.openlineage.outbox import standings

    open_ledger(folder).close()  # says so when nothing has happened here yet
    ws = open_pipeline(folder)
    console = Console(highlight=False)
    deliveries = emit(ws, seconds=600.0, force=True) if send else ()
    for delivery in deliveries:
        click.echo(f"{delivery.sink}: {delivery.told:,} events told" + ("; there is more" if delivery.late else ""))
        if delivery.error:
            click.secho(f"  {delivery.error}", fg="yellow", err=True)
    if target is None:
        if not send:
            console.print(sinks_table(standings(ws.db), ws.project.lineage))
        raise SystemExit(1 if any(delivery.error for delivery in deliveries) else 0)
    found = find_target(ws.db, target, model=ws.project.name)
    directions = [name for name, wanted in ((UP, up), (DOWN, down)) if wanted] or [usual_direction(found)]
    for direction in directions:
        graph = lineage(ws.db, found, direction, model=ws.project.name)
        if as_json:
            plain = {**asdict(graph), "nodes": [asdict(node) for node in graph.nodes.values()]}
            click.echo(canonical(plain).decode())
        else:
            console.print(tree(graph, everything=everything))
