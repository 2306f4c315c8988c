"""`detent monitor report | incident | card | channels | rules`: what the monitor tells people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from datetime import datetime

    from detent.loop.workspace import Workspace
    from detent.monitor.protocol import Channel

PAGE = click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page that needs nothing else.")


@click.command("report")
@click.option("--since", metavar="TIME", help="How far back from the last window, such as 30d (default: 60 windows).")
@PAGE
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option(
    "--evidently",
    "theirs",
    type=click.Path(path_type=Path),
    help="Write Evidently's drift report as a page instead, of the last window unless --since says more.",
)
@click.option("--install-evidently", "install", is_flag=True, help="Make Evidently's environment first (about 1 GB).")
@click.pass_obj
def report(
    folder: Path, since: str | None, page: Path | None, as_json: bool, theirs: Path | None, install: bool
) -> None:
    """How things stand: quality, drift, labels, alerts, decisions. Each line names its entry in the ledger."""
    import json
    from dataclasses import asdict

    from detent.loop.reading import open_to_read
    from detent.loop.report.monitor import collect
    from detent.loop.report.monitor_text import monitor_text

    if page is not None and as_json:
        raise click.UsageError("choose one of --html and --json")
    ws = open_to_read(folder)
    if install or theirs is not None:
        if page is not None or as_json:
            raise click.UsageError("--evidently writes a page of its own: leave --html and --json out")
        _evidently(ws, since, theirs, install=install)
        return
    found = collect(ws, _since(ws, since))
    if page is not None:
        from detent.loop.report.monitor_page import monitor_html

        _write(page, monitor_html(found))
    elif as_json:
        click.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        for line in monitor_text(found):
            click.echo(line)


@click.command("incident")
@click.argument("number", type=click.IntRange(min=1), required=False)
@PAGE
@click.pass_obj
def incident(folder: Path, number: int | None, page: Path | None) -> None:
    """How alert NUMBER came about and what came of it; without a number, all alerts so far."""
    from detent.loop.reading import open_to_read
    from detent.loop.report.incident import incident_text, incidents, timeline

    ws = open_to_read(folder)
    if number is None:
        every = incidents(ws)
        if not every:
            click.echo("no alert so far: nobody had to be told anything")
        for place, event in every:
            told = event.payload
            click.echo(f"{place:>4}  {told['at'][:16].replace('T', ' ')}  {told['severity']:<8}  {told['title']}")
        return
    found = timeline(ws, number)
    if page is not None:
        from detent.loop.report.monitor_page import incident_html

        _write(page, incident_html(found))
        return
    for line in incident_text(found):
        click.echo(line)


@click.command("card")
@click.argument("version", type=click.IntRange(min=1))
@PAGE
@click.pass_obj
def card(folder: Path, version: int, page: Path | None) -> None:
    """The model card of VERSION: where it comes from, what the gate said, its limits, its life, its cost."""
    from detent.loop.report.card import card as draw
    from detent.loop.report.card import card_markdown
    from detent.loop.workspace import open_workspace

    drawn = draw(open_workspace(folder), version)
    if page is not None:
        from detent.loop.report.monitor_page import card_html

        _write(page, card_html(drawn))
    else:
        click.echo(card_markdown(drawn), nl=False)


@click.command("channels")
@click.option("--test", "send", is_flag=True, help="Send a test alert through each.")
@click.pass_obj
def channels(folder: Path, send: bool) -> None:
    """The channels of alerts, and what waits in each. Ends with status 1 when a test alert was not taken."""
    from detent.loop.alerts.channels import channel_names, open_channels
    from detent.loop.workspace import open_workspace
    from detent.monitor.outbox import pending

    ws = open_workspace(folder)
    if send:
        refused = [name for name, channel in open_channels(ws).items() if not _tested(name, channel, ws)]
        raise SystemExit(1 if refused else 0)
    waiting = pending(ws.db)
    names = channel_names(ws)
    gone = sorted({item.channel for item in waiting} - set(names))
    for name in (*names, *gone):
        mine = [item for item in waiting if item.channel == name]
        state = f"{len(mine)} waiting" if mine else "nothing waits"
        if name in gone:
            state += ", and detent.yaml does not declare it any more"
        elif mine and mine[0].error:
            state += f"; {mine[0].error}"
        click.echo(f"{name:<40}  {state}")


@click.command("rules")
def rules() -> None:
    """Print the rules for Prometheus: they route what the gauges of /metrics say."""
    from importlib import resources

    click.echo(
        resources.files("detent.monitor").joinpath("prometheus", "rules.yml").read_text(encoding="utf-8"), nl=False
    )


def _evidently(ws: Workspace, since: str | None, page: Path | None, *, install: bool) -> None:
    from detent.loop.places import environments
    from detent.loop.report.evidently_rows import compared
    from detent.monitor.evidently_page import TOOL, draw
    from detent.store.environments import install as make

    if install:
        click.echo(f"{TOOL.name} is in {make(TOOL, environments(ws.state)).parents[1]}")
    if page is None:
        return
    rows = compared(ws, _since(ws, since))
    drawn = draw(rows, page, environments=environments(ws.state))
    click.echo(f"wrote {page}")
    for about, text in (*rows.notes, ("Evidently", drawn.text)):
        click.echo(f"  {about:<10} {text}")


def _tested(name: str, channel: Channel, ws: Workspace) -> bool:
    from detent.monitor.protocol import ChannelError
    from detent.records.alert import Alert
    from detent.store.clock import iso

    now = iso(ws.now())
    alert = Alert(
        key="meta:test", severity="WARNING", title=f"A test of {ws.project.name}", opened_at=now, at=now, rise=False,
        text="Somebody asked for this alert with `detent monitor channels --test`. Nothing has happened.",
        labels=(("model", ws.model), ("kind", "meta")),
    )  # fmt: skip
    try:
        channel.send(alert)
    except ChannelError as error:
        click.echo(f"{name:<40}  not taken: {error.why}")
        return False
    click.echo(f"{name:<40}  taken")
    return True


def _since(ws: Workspace, text: str | None) -> datetime | None:
    from detent.loop.alerts.stale import last_window_end
    from detent.project.durations import parse_duration

    if text is None:
        return None
    try:
        return (last_window_end(ws) or ws.now()) - parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error), param_hint="--since") from error


def _write(page: Path, text: str) -> None:
    from detent.store.atomic import write_atomic

    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(page, text.encode())
    click.echo(f"wrote {page}")
