"""`detent keys`: who may ask the server for what."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from detent.records.key import ApiKey

_SECONDS = {"s": 1, "m": 60, "h": 3600}  # of the units of a rate


@click.group("keys")
def command() -> None:
    """Make, list and revoke API keys. Once a key was made, nobody is answered without one."""


@command.command("add")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, default=("predict", "feedback"), show_default=True,
    help="What it is for: predict, test (may name the version), feedback, metrics, manage, trigger.",
)  # fmt: skip
@click.option("--endpoint", "endpoints", multiple=True, help="Only for predictions of this endpoint (default: all).")
@click.option("--rate", help="Most requests per time: 100/s, 1000/m (default: no limit).")
@click.option(
    "--burst", type=click.IntRange(1, 100_000), help="Requests that may come at once (default: those of a second)."
)
@click.option("--concurrency", type=click.IntRange(1, 100_000), help="Most requests that wait for answers at once.")
@click.option("--for", "lasts", metavar="TIME", help="How long it is good, such as 90d (default: until revoked).")
@click.pass_obj
def add(
    folder: Path,
    name: str,
    scopes: tuple[str, ...],
    endpoints: tuple[str, ...],
    rate: str | None,
    burst: int | None,
    concurrency: int | None,
    lasts: str | None,
) -> None:
    """Make a key for NAME. Its text is shown once and kept nowhere."""
    from detent.loop.workspace import open_workspace
    from detent.serving.pages import keyring

    ws = open_workspace(folder)
    per_second = _per_second(rate) if rate else 0.0
    wish = keyring.Wish(
        name=name,
        scopes=scopes,
        endpoints=endpoints,
        rate=per_second,
        burst=burst or max(1, round(per_second)),
        concurrency=concurrency or 0,
        expires=_until(lasts, ws.now()) if lasts else None,
    )
    with ws.db.transaction() as tx:
        key, text = keyring.add(tx, wish, actor=ws.actor, now=ws.now())
    keyring.publish(ws.state, ws.db)
    click.echo(text)
    click.echo(f"key {key.id} for {key.name}: {_terms(key)}. Keep the line above: it is not shown again.", err=True)
    here = ws.project.serving.endpoint
    for endpoint in endpoints:
        if endpoint != here:
            click.echo(f"note: detent.yaml names no endpoint `{endpoint}`; it names `{here}`", err=True)


@command.command("list")
@click.option("--all", "revoked_too", is_flag=True, help="Revoked ones too.")
@click.pass_obj
def list_(folder: Path, revoked_too: bool) -> None:
    """Show the keys that are good, oldest first."""
    from detent.loop.workspace import open_workspace
    from detent.serving.pages import keyring

    ws = open_workspace(folder)
    keys = [key for key in keyring.all_keys(ws.db) if revoked_too or key.revoked_at is None]
    if not keys:
        click.echo("no keys" if revoked_too else "no keys; `detent keys list --all` shows revoked ones")
    for key in keys:
        state = f"revoked {key.revoked_at[:19]}" if key.revoked_at else f"since {key.made_at[:19]}"
        click.echo(f"{key.id}  {key.name:24s}  {state:28s}  {_terms(key)}")


@command.command("revoke")
@click.argument("key_id", metavar="ID")
@click.pass_obj
def revoke(folder: Path, key_id: str) -> None:
    """Take the key ID away (or the one good key of that name). The next request of every worker is refused."""
    from detent.loop.workspace import open_workspace
    from detent.serving.pages import keyring

    ws = open_workspace(folder)
    with ws.db.transaction() as tx:
        key = keyring.revoke(tx, key_id, actor=ws.actor, now=ws.now())
    keyring.publish(ws.state, ws.db)
    click.echo(f"key {key.id} of {key.name} is revoked")


def _terms(key: ApiKey) -> str:
    """Say what a key may do."""
    parts = [", ".join(key.scopes)]
    if key.endpoints:
        parts.append("at " + ", ".join(key.endpoints))
    if key.rate:
        parts.append(f"{key.rate:g}/s, {key.burst} at once")
    if key.concurrency:
        parts.append(f"{key.concurrency} open")
    if key.expires:
        parts.append(f"until {key.expires[:19]}")
    return "; ".join(parts)


def _per_second(text: str) -> float:
    times, _, unit = text.partition("/")
    if not times.isdigit() or not int(times) or unit not in _SECONDS:
        raise click.BadParameter(f"`{text}` is no rate; write 100/s, 1000/m or 5000/h", param_hint="--rate")
    return int(times) / _SECONDS[unit]


def _until(text: str, now: datetime) -> datetime:
    from detent.project.durations import parse_duration

    try:
        return now + parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--for") from error
