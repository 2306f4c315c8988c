"""`detent trigger`: what was decided about retraining and why, and the answers that a human owes it."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("trigger")
def command() -> None:
    """See and explain decisions, call a webhook from here, and answer when a human is asked."""


@command.command("list")
@click.option("-n", "last", type=click.IntRange(min=1), default=20, show_default=True, help="Only the newest N.")
@click.pass_obj
def list_(folder: Path, last: int) -> None:
    """Show the newest decisions, newest last, and what waits."""
    from detent.loop.workspace import open_workspace
    from detent.trigger import calls, store

    ws = open_workspace(folder)
    decided = store.decisions(ws.db, ws.model)
    if not decided:
        click.echo("no decisions yet: nothing asked for a training")
    for one in decided[-last:]:
        text = one.reason if len(one.reason) <= 160 else one.reason[:157] + "..."
        click.echo(f"{one.number:4d}  {one.at[:16].replace('T', ' ')}  {one.action:10s}  {text}")
    memory = store.remembered(ws.db, ws.model)
    if memory.quarantined_since is not None:
        click.echo(f"the data are in quarantine since {memory.quarantined_since[:16].replace('T', ' ')} UTC")
    if memory.asked is not None and not memory.answer:
        click.echo(f"decision {memory.asked} waits for an answer: detent trigger answer {memory.asked} --yes or --no")
    for call in calls.waiting(ws.db, ws.model):
        click.echo(f"call {call.id} of {call.caller} waits since {call.at[:16].replace('T', ' ')} UTC")


@command.command("fire")
@click.argument("name")
@click.option("--key", help="Its Idempotency-Key: the same key is the same call (default: a new one).")
@click.option("--note", default="", help="A word along with it.")
@click.pass_obj
def fire(folder: Path, name: str, key: str | None, note: str) -> None:
    """Call the webhook NAME from here, as POST /v1/triggers/NAME does."""
    import hashlib

    from detent.errors import RefusedError
    from detent.loop.workspace import open_workspace
    from detent.store.clock import iso
    from detent.trigger import Asked, declare, record_call

    ws = open_workspace(folder)
    body = hashlib.sha256(note.encode()).hexdigest()
    asked = Asked(name=name, key=key or iso(ws.now()), body=body, caller=ws.actor, at=ws.now())
    with ws.db.transaction() as tx:
        declare(tx, ws.model, ws.project.trigger.webhooks)
        said = record_call(tx, asked)
    if said.state == "conflict":
        raise RefusedError(
            what="this key was used for another call",
            why=f"call {said.id} has the same key and another note",
            fix="give each call a key of its own",
        )
    click.echo(f"call {said.id} is {said.state}; `detent up` hears it at its next look")


@command.command("explain", short_help="what a decision was told, and the same decision again")
@click.argument("number", type=int, required=False)
@click.pass_obj
def explain(folder: Path, number: int | None) -> None:
    """Say what decision NUMBER (the newest, without it) was told, and take it again from that."""
    from detent.errors import RefusedError
    from detent.loop.workspace import open_workspace
    from detent.trigger import store
    from detent.trigger.door import recompute

    ws = open_workspace(folder)
    decided = store.decisions(ws.db, ws.model)
    if not decided:
        raise RefusedError(
            what="there is no decision to explain",
            why="nothing asked for a training yet",
            fix="see `detent status`",
        )
    one = decided[-1] if number is None else store.decision_of(ws.db, ws.model, number)
    rule = f" (rule {one.rule})" if one.rule else ""
    click.echo(f"{one.number}  {one.at[:16].replace('T', ' ')}  {one.action}{rule}")
    click.echo(f"  {one.reason}")
    if one.fall_back:
        click.echo("  the version before answers meanwhile, if it could be given the traffic back")
    for name, said in one.evidence:
        click.echo(f"    {name:11s} {said}")
    for heard in one.case.signals.heard if one.case else ():
        click.echo(f"    {'finding':11s} {heard.severity} {heard.message}")
    again = recompute(one)
    if again is None:
        click.echo("  what it was told is not kept: it is older than this version of detent")
    elif (again.action, again.reason) == (one.action, one.reason):
        click.echo("  taken again from what it was told: the same")
    else:
        click.echo(f"  taken again from what it was told: {again.action}; the rules have changed since")


@command.command("answer", short_help="answer a decision that asked a human")
@click.argument("number", type=int)
@click.option("--yes/--no", "yes", default=None, help="Whether to go on.")
@click.pass_obj
def answer(folder: Path, number: int, yes: bool | None) -> None:
    """Answer decision NUMBER: it asked a human, or put data into quarantine."""
    from detent.loop.workspace import open_workspace
    from detent.trigger import door

    if yes is None:
        raise click.UsageError("say --yes or --no")
    ws = open_workspace(folder)
    with ws.db.transaction() as tx:
        said = door.answer(tx, ws.model, number, yes=yes, actor=ws.actor, now=ws.now())
    click.echo(said)
