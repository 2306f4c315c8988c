"""One collection: mark, look, bury, delete. A dry run unless told otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detent.data.versions import roots, store, sweep
from detent.data.versions.marks import Marks
from detent.data.versions.retention import Retention
from detent.data.versions.sweep import Patience, Sweep
from detent.loop.collect.needed import mark_needed
from detent.loop.workspace import PipelineWorkspace
from detent.records.event import Fact
from detent.store.canonical import digest
from detent.store.clock import SystemClock
from detent.store.lock import held_lock

LEFTOVERS_SECONDS = 86_400.0  # after which files of killed writers are removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection found and did."""

    sweep: Sweep
    deleted: tuple[tuple[str, int], ...]  # (digest, bytes); () in a dry run
    leftovers: int  # files of killed writers that were removed
    neighbours: tuple[roots.Neighbour, ...]  # other projects in the same store


def tenant_of(ws: PipelineWorkspace) -> roots.Tenant:
    """Return under which name a project stands in its store."""
    return roots.Tenant(id=digest(ws.public_key), name=ws.project.name)


def store_of(ws: PipelineWorkspace) -> Path:
    """Return where the project's blobs are; a link, when projects share a store."""
    return ws.state / "blobs"


def collect(ws: PipelineWorkspace, rule: Retention, patience: Patience, *, really: bool = False) -> Collected:
    """Say which blobs nothing needs and, if `really`, bury them and delete those that are due.

    What is deleted stands in the ledger before the first blob goes. Killed at any moment, nothing that is needed is
    gone, and the next collection goes on.

    Raises:
        BusyError: another collection runs.
        StoreError: what this or another project needs can't be told; nothing was deleted.
    """
    with held_lock(
        ws.state / "gc.lock",
        what="a collection is running already",
        why="process {pid} holds the lock",
        fix="wait for it, or end process {pid}",
    ):
        marks, neighbours = _marked(ws, rule)
        now = SystemClock().now()  # blobs age in real time, whatever the project's clock says
        found = sweep.examine(
            ws.blobs,
            marks,
            sweep.graves(ws.db),
            patience=patience,
            now=now,
            since=roots.seconds_since(neighbours, now),
        )
        if not really:
            return Collected(sweep=found, deleted=(), leftovers=0, neighbours=tuple(neighbours))
        roots.write(store_of(ws), tenant_of(ws), _own(marks), now)
        with ws.recording(_fact(ws, found)) as tx:
            sweep.bury(tx, found, now)
        deleted = _delete(ws, found, rule, patience) if found.due else []
        leftovers = ws.blobs.sweep(older_than=LEFTOVERS_SECONDS)
        return Collected(sweep=found, deleted=tuple(deleted), leftovers=leftovers, neighbours=tuple(neighbours))


def register(ws: PipelineWorkspace) -> None:
    """Say in the store that this project uses it, so that no other project deletes what it stores."""
    roots.register(store_of(ws), tenant_of(ws), SystemClock().now())


def _delete(ws: PipelineWorkspace, found: Sweep, rule: Retention, patience: Patience) -> list[tuple[str, int]]:
    """Delete what is due and is still unneeded, looked at a second time: the first look may have taken minutes."""
    again, _ = _marked(ws, rule)
    versions = {version.id for name in store.datasets(ws.db) for version in store.history(ws.db, name)}
    deleted = sweep.delete(ws.blobs, found, again, patience=patience, first=versions)
    with ws.db.transaction() as tx:
        sweep.forget(tx, (name for name, _ in found.due))
    return deleted


def _marked(ws: PipelineWorkspace, rule: Retention) -> tuple[Marks, list[roots.Neighbour]]:
    marks = Marks(ws.blobs)
    mark_needed(ws, marks, rule, ws.now())
    return marks, roots.honour(store_of(ws), tenant_of(ws), marks)


def _own(marks: Marks) -> list[str]:
    return sorted(name for name, reason in marks.reasons.items() if not reason.startswith("project "))


def _fact(ws: PipelineWorkspace, found: Sweep) -> Fact:
    return Fact(
        kind="data.collected",
        subject=f"project:{ws.project.name}",
        actor=ws.actor,
        payload={"deleted": len(found.due), "buried": len(found.buried)},
        observed={"deleted_bytes": found.freed, "buried_bytes": sum(size for _, size in found.buried)},
    )
