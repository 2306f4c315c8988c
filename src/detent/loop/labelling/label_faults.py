"""A place that labels are fetched from and that can't be read: said once per reason, and told when it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from detent.errors import DetentError
from detent.loop.alerts.notify import notify
from detent.loop.workspace import Workspace
from detent.monitor import store
from detent.monitor.episodes import CLOSED, episode_key
from detent.predictions.looks import Look, last_look, save_look
from detent.predictions.sources.protocol import shown
from detent.records.event import Fact
from detent.records.finding import WARNING, Finding
from detent.records.project import LabelSource
from detent.store import ledger
from detent.store.clock import iso
from detent.store.database import Transaction

LONG = timedelta(hours=1)  # after which people are told
UNREAD = "unread"


def name_of(source: LabelSource) -> str:
    """Return the name under which looks at a place are kept."""
    return f"{source.source} {source.field}"


def unread(ws: Workspace) -> Iterator[str]:
    """Yield a sentence for each place that could not be read when it was looked at last."""
    for source in ws.project.monitor.labels:
        look = last_look(ws.db, name_of(source))
        if look is not None and look.failing is not None:
            yield f"{look.fault} (since {look.failing:%Y-%m-%d %H:%M} UTC)"


def note_fault(ws: Workspace, source: LabelSource, name: str, look: Look | None, error: DetentError) -> None:
    """Remember that a place can't be read; with each other reason it is said again."""
    said = f"{error.what}: {error.why}; {error.fix}"
    since = (look.failing if look is not None else None) or ws.now()
    read, version = (look.read, look.version) if look is not None else (None, "")
    with ws.db.transaction() as tx:
        save_look(tx, name, Look(at=ws.now(), read=read, version=version, fault=said, failing=since))
        if look is None or look.fault != said:
            payload = {"source": shown(source), "error": error.what}
            fact = Fact(
                kind="labels.failed", subject=f"model:{ws.model}", actor=ws.actor, payload=payload,
                observed={"why": error.why},
            )  # fmt: skip
            ledger.append(tx, fact, ws.now())
        if ws.now() - since >= LONG:
            _tell(ws, tx, _unread(ws, source, since, error))


def note_recovery(ws: Workspace, tx: Transaction, source: LabelSource, look: Look | None) -> None:
    """Close what people were told of a place, because it was read again."""
    if look is None or look.failing is None:
        return
    endpoint = ws.project.serving.endpoint
    mine = [one for one in store.open_episodes(tx, endpoint) if one.key == _key(source)]
    over = [replace(one, state=CLOSED) for one in mine]
    store.save_episodes(tx, over, endpoint=endpoint, actor=ws.actor, now=ws.now())


def _tell(ws: Workspace, tx: Transaction, finding: Finding) -> None:
    endpoint = ws.project.serving.endpoint
    if not any(one.key == episode_key(finding) for one in store.open_episodes(tx, endpoint)):
        store.save_findings(tx, [finding], endpoint=endpoint, version=None, actor=ws.actor, now=ws.now())
    notify(ws, tx, [finding], kinds=())


def _key(source: LabelSource) -> str:
    return f"labels:{shown(source)}"


def _unread(ws: Workspace, source: LabelSource, since: datetime, error: DetentError) -> Finding:
    return Finding(
        kind="labels",
        severity=WARNING,
        column=shown(source),
        statistic=UNREAD,
        value=(ws.now() - since) / timedelta(hours=1),
        low=None,
        high=None,
        threshold=LONG / timedelta(hours=1),
        rows=0,
        window_start=iso(since),
        window_end=iso(ws.now()),
        message=f"No label of `{shown(source)}` could be read since {since:%Y-%m-%d %H:%M} UTC: {error.why}. "
        "Windows wait for these labels.",
    )
