"""From findings to people: episodes decide what is news, channels carry it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from detent.loop.alerts.channels import channel_names
from detent.loop.workspace import Workspace
from detent.monitor import outbox, store
from detent.monitor.episodes import advance
from detent.records.finding import Finding
from detent.store.database import Transaction


def notify(ws: Workspace, tx: Transaction, findings: Sequence[Finding], *, kinds: Collection[str]) -> None:
    """Bring the episodes up to date and put what is news into the outbox, within the caller's transaction."""
    endpoint = ws.project.serving.endpoint
    episodes, alerts = advance(store.open_episodes(tx, endpoint), findings, ws.now(), kinds=kinds)
    store.save_episodes(tx, episodes, endpoint=endpoint, actor=ws.actor, now=ws.now())
    outbox.queue(tx, alerts, channel_names(ws), endpoint=endpoint, actor=ws.actor, now=ws.now())
