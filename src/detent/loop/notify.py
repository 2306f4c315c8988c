"""From findings to people: episodes decide what is news, channels carry it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from detent.errors import ProjectError
from detent.loop import places
from detent.loop.workspace import Workspace
from detent.monitor import outbox, store
from detent.monitor.channels.log import LogChannel
from detent.monitor.episodes import advance
from detent.monitor.protocol import Channel
from detent.plugins import load
from detent.project.environment import Secret, read_secret
from detent.records.event import Fact
from detent.records.finding import Finding
from detent.records.project import Channel as Declared
from detent.store.canonical import digest
from detent.store.database import Transaction


def notify(ws: Workspace, tx: Transaction, findings: Sequence[Finding], *, kinds: Collection[str]) -> None:
    """Bring the episodes up to date and put what is news into the outbox, within the caller's transaction."""
    endpoint = ws.project.serving.endpoint
    episodes, alerts = advance(store.open_episodes(tx, endpoint), findings, ws.now(), kinds=kinds)
    store.save_episodes(tx, episodes, endpoint=endpoint, actor=ws.actor, now=ws.now())
    names = [channel_name(declared) for declared in ws.project.monitor.channels]
    outbox.queue(tx, alerts, names, endpoint=endpoint, actor=ws.actor, now=ws.now())


def deliver(ws: Workspace) -> None:
    """Send what waits in the outbox. A channel that fails is written down and tried again at the next look."""
    if not outbox.pending(ws.db):
        return
    for fault in outbox.deliver(ws.db, open_channels(ws), now=ws.now()):
        ws.record(
            Fact(
                kind="alert.undelivered",
                subject=f"endpoint:{ws.project.serving.endpoint}",
                actor=ws.actor,
                payload={"error": fault.what},
                observed={"why": fault.why},
            )
        )


def open_channels(ws: Workspace) -> dict[str, Channel]:
    """Return the declared channels by name.

    Raises:
        ProjectError: a channel lacks its URL, or the secret it names is not in the environment.
    """
    return {channel_name(declared): _open(ws, declared) for declared in ws.project.monitor.channels}


def channel_name(declared: Declared) -> str:
    """Return the name under which deliveries to a channel are remembered.

    A webhook's URL often is its secret, so only its host is named, and a digest tells two URLs on one host apart.
    """
    if declared.url is None:
        return declared.kind
    return f"{declared.kind} {urlsplit(declared.url).hostname} {digest(declared.url.encode())[:8]}"


def _open(ws: Workspace, declared: Declared) -> Channel:
    if declared.kind == "log":
        return LogChannel(places.alerts(ws.state))
    if declared.url is None:
        raise ProjectError(
            what=f"channel `{declared.kind}` has no URL",
            why="it would not know where to send alerts",
            fix="write {kind: " + declared.kind + ', url: "https://..."} at monitor.channels in detent.yaml',
        )
    return load("channel", declared.kind)(declared.url, secret=_secret(declared))


def _secret(declared: Declared) -> Secret | None:
    if declared.secret is None:
        return None
    secret = read_secret(declared.secret)
    if secret is None:
        raise ProjectError(
            what=f"the secret `{declared.secret}` is not there",
            why=f"channel `{declared.kind}` in detent.yaml names it, and the environment has no such variable",
            fix=f"export {declared.secret}=... before starting detent",
        )
    return secret
