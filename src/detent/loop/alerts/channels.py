"""The declared channels, opened: secrets are read from the environment at this moment."""

from __future__ import annotations

from urllib.parse import urlsplit

from detent.errors import DetentError, ProjectError
from detent.loop import places
from detent.loop.workspace import Workspace
from detent.monitor import outbox
from detent.monitor.channels.email import EmailChannel, MailServer
from detent.monitor.channels.log import LogChannel
from detent.monitor.protocol import Channel, ChannelError
from detent.plugins import load
from detent.project.environment import Secret, read_secret
from detent.records.alert import Alert
from detent.records.event import Fact
from detent.records.project import Channel as Declared
from detent.store.canonical import digest


class Unopened:
    """A channel that can't be opened. It fails like one whose other side is down, so the loop and the others go on."""

    def __init__(self, name: str, reason: DetentError) -> None:
        self._name, self._reason = name, reason

    def send(self, alert: Alert) -> None:  # noqa: ARG002
        """Say why nothing can be sent.

        Raises:
            ChannelError: always.
        """
        why = f"{self._reason.what}: {self._reason.why}"
        what = f"an alert could not be delivered through {self._name}"
        raise ChannelError(what=what, why=why, fix=self._reason.fix, where=self._reason.where)


def open_channels(ws: Workspace) -> dict[str, Channel]:
    """Return the declared channels by the names under which deliveries are remembered.

    One that can't be opened (a secret that is not in the environment, a package that is not installed) is there too,
    and says so when it is asked to send.
    """
    opened: dict[str, Channel] = {}
    for declared in ws.project.monitor.channels:
        try:
            opened |= _opened(ws, declared)
        except DetentError as error:
            opened |= {name: Unopened(name, error) for name in _names(declared)}
    return opened


def channel_names(ws: Workspace) -> list[str]:
    """Return the names of the declared channels, without opening any; e-mail has one for each recipient."""
    return [name for declared in ws.project.monitor.channels for name in _names(declared)]


def _names(declared: Declared) -> list[str]:
    """Name a channel for the outbox and the ledger.

    A webhook's URL often is its secret, so only its host is named, and a digest tells two URLs on one host apart.
    """
    if declared.kind == "email":
        return [f"email {to} by {declared.host}" for to in declared.to]
    if declared.url_secret is not None:
        return [f"{declared.kind} {declared.url_secret}"]
    if declared.url is None:
        return [declared.kind]
    return [f"{declared.kind} {urlsplit(declared.url).hostname} {digest(declared.url.encode())[:8]}"]


def _opened(ws: Workspace, declared: Declared) -> dict[str, Channel]:
    if declared.kind == "log":
        return {"log": LogChannel(places.alerts(ws.state))}
    make, secret = load("channel", declared.kind), _secret(declared.kind, declared.secret)
    names = _names(declared)
    if declared.kind == "email":
        return {name: _mail(make, declared, to, secret) for name, to in zip(names, declared.to, strict=True)}
    if declared.url_secret is not None:
        return {names[0]: make(_secret(declared.kind, declared.url_secret))}
    return {names[0]: make(declared.url, secret=secret)}


def _mail(make: type[EmailChannel], declared: Declared, to: str, password: Secret | None) -> Channel:
    server = MailServer(
        host=declared.host, port=declared.port, security=declared.security, user=declared.user, password=password
    )
    return make(server, sender=declared.sender, to=to)


def _secret(kind: str, name: str | None) -> Secret | None:
    if name is None:
        return None
    secret = read_secret(name)
    if secret is None:
        raise ProjectError(
            what=f"the secret `{name}` is not there",
            why=f"channel `{kind}` in detent.yaml names it, and the environment has no such variable",
            fix=f"export {name}=... before starting detent",
        )
    return secret


def send_due(ws: Workspace, *, seconds: float = 2.0) -> None:
    """Send what waits in the outbox and is due; what a channel refuses is written down and tried again later.

    `seconds`: what the whole call may take.
    """
    if not outbox.pending(ws.db):
        return
    for fault in outbox.deliver(ws.db, open_channels(ws), now=ws.now(), seconds=seconds, actor=ws.actor):
        ws.record(
            Fact(
                kind="alert.undelivered",
                subject=f"endpoint:{ws.project.serving.endpoint}",
                actor=ws.actor,
                payload={"error": fault.what},
                observed={"why": fault.why},
            )
        )
