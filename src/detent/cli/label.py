"""`detent label`: what is true about answers, said by people or read from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click


@click.group("label")
def command() -> None:
    """Say what was true about answers that the model gave."""


@command.command("list", short_help="answers that wait for a person")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=20, show_default=True, help="Most answers shown.")
@click.pass_obj
def list_(folder: Path, count: int) -> None:
    """Show answers that wait for a person: some of each level of the score."""
    from detent.loop.labelling.label_audit import open_questions
    from detent.loop.workspace import open_workspace

    rows = open_questions(open_workspace(folder), count)
    if rows.is_empty():
        click.echo("every answer of the last 7 days has a label, or none was given")
        return
    for id_, time, version, said, score, inputs in rows.iter_rows():
        told = f"{said} {score:.4g}" if said else f"{score:.4g}"
        click.echo(f"{id_}  {time:%Y-%m-%d %H:%M}  version {version}  {told}  {inputs}")
    click.echo("say what was true: detent label set ID VALUE", err=True)


@command.command("set", short_help="say what was true about an answer")
@click.argument("prediction")
@click.argument("value")
@click.pass_obj
def set_(folder: Path, prediction: str, value: str) -> None:
    """Say that VALUE was true about the answer with this id: a number, or the name of a class."""
    from detent.loop.labelling.label_audit import set_label
    from detent.loop.workspace import open_workspace

    counts = set_label(open_workspace(folder), prediction, value)
    done = "recorded" if counts.new else "corrected" if counts.corrected else "known already"
    click.echo(f"{prediction}: {value}, {done}")


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--id", "id_", metavar="COLUMN", help="Column with ids of predictions.")
@click.option("--request", metavar="COLUMN", help="Column with the caller's own names of requests.")
@click.option("--value", metavar="COLUMN", default="label", show_default=True, help="Column with the truth.")
@click.option("--at", metavar="COLUMN", help="Column with the time at which it was known (default: now).")
@click.pass_obj
def import_(folder: Path, file: str, id_: str | None, request: str | None, value: str, at: str | None) -> None:
    """Take the labels of a FILE (.parquet, .csv or .jsonl), once. `monitor.labels` reads one again and again.

    Ends with status 1 when it holds rows and not one of them is a label.
    """
    from detent.cli.told import REFUSED
    from detent.data.expect.words import count
    from detent.loop.labelling.labels import recorded, take
    from detent.loop.workspace import open_workspace
    from detent.predictions import LabelCounts
    from detent.predictions.sources.file import fetch
    from detent.records.project import LabelSource

    if (id_ is None) == (request is None):
        raise click.UsageError("say how its rows name an answer: --id COLUMN or --request COLUMN")
    ws = open_workspace(folder)
    field, name = ("id", id_) if id_ is not None else ("request", str(request))
    source = LabelSource(source=str(Path(file).absolute()), field=field, name=name, value=value, at=at)
    taken = take(ws, fetch(source, ws.folder, None).rows, replace(source, source=Path(file).name))
    counts = taken.counts
    if counts.new or counts.corrected or counts.orphan:
        ws.record(recorded(ws, Path(file).name, counts, dict(taken.left_out)))
    click.echo(
        f"{counts.new:,} new, {counts.duplicate:,} known, {counts.corrected:,} corrected, {counts.stale:,} older than "
        f"what is known, {counts.orphan:,} without an answer in the log"
    )
    if taken.waiting:
        click.echo(f"{count(taken.waiting, 'row')} without a truth yet")
    for why, rows in taken.left_out:
        click.echo(f"{count(rows, 'row')} left out: {why}")
    if taken.left_out and not taken.waiting and taken.counts == LabelCounts():
        raise SystemExit(REFUSED)


@command.command("aside", short_help="messages of a stream that were no labels")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=20, show_default=True, help="Most messages shown.")
@click.pass_obj
def aside(folder: Path, count: int) -> None:
    """Show messages of a stream that were no labels, the newest first: where each lies, and why."""
    import json

    from detent.loop.workspace import open_workspace
    from detent.predictions.asides import asides

    found = asides(open_workspace(folder).db, count)
    if not found:
        click.echo("every message was a label, or none was read")
    for one in found:
        said = json.dumps(one.aside.message)  # whatever a stranger wrote moves no cursor
        at = one.at[:16].replace("T", " ")
        click.echo(f"{at}  {one.source}  {one.aside.place}  {one.aside.why}  {said}")
