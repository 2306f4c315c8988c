"""What must hold of a state after a kill at any moment, and after the run that follows it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from detent.pipeline import Workspace, store
from detent.pipeline.codecs.table import blobs_of
from detent.store.blobs import open_blobs
from detent.store.clock import SystemClock
from detent.store.database import Reader, open_database
from detent.store.migrate import migrate

ORPHANS = """
SELECT key AS id FROM entries WHERE NOT EXISTS (
    SELECT 1 FROM step_runs
    WHERE step_runs.key = entries.key AND step_runs.variant = entries.variant AND step_runs.outcome = 'ran'
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What can be seen of a state."""

    rows: Mapping[str, Mapping[str, Any]]  # run -> label -> its row in `step_runs`
    runs: Mapping[str, str]  # run -> running | succeeded | failed
    did: Mapping[str, int]  # label -> how often its code was executed
    wrong: list[str]  # whatever must never be seen, at no moment
    left: list[str]  # what must not be seen once a run has ended well
    waiting: int  # files and folders of killed writers, which a scrub removes


def open_all(top: Path) -> Workspace:
    """Open a state as a command does, or make it."""
    db = open_database(top / "state" / "detent.db")
    migrate(db, ["detent.store", "detent.pipeline"])
    blobs = open_blobs(str(top / "state" / "blobs"))
    return Workspace(folder=top / "project", state=top / "state", blobs=blobs, db=db, clock=SystemClock())


def look(top: Path) -> Look:
    """Look at everything that a state holds."""
    did = dict(Counter((top / "did").read_text().split())) if (top / "did").exists() else {}
    if not (top / "state" / "detent.db").exists():
        return Look(rows={}, runs={}, did=did, wrong=[], left=[], waiting=0)
    workspace = open_all(top)
    note = top / "state" / "harmed"
    harmed = set(note.read_text().split()) if note.exists() else set[str]()
    try:
        runs = [store.load_run(workspace.db, name) for name in ids(workspace.db, "SELECT id FROM runs")]
        return Look(
            rows={run.id: {row.label: plain(asdict(row)) for row in run.steps} for run in runs if run},
            runs={run.id: run.state for run in runs if run},
            did=did,
            wrong=[*wrong_blobs(workspace, harmed), *wrong_entries(workspace, harmed)],
            left=[*left_over(workspace), *(f"blob {name[:12]}" for name in harmed if not is_there(name, workspace))],
            waiting=len(list((workspace.state / "blobs").glob(".new/*"))),
        )
    finally:
        workspace.db.close()


def wrong_blobs(workspace: Workspace, harmed: set[str]) -> list[str]:
    """Return what is wrong with the database and the stored bytes."""
    (said,) = [row["integrity_check"] for row in workspace.db.rows("PRAGMA integrity_check")]
    names = [name for name in workspace.blobs.names() if name not in harmed]
    damaged = [f"blob {name[:12]} is damaged" for name in names if not workspace.blobs.is_whole(name)]
    return damaged + ([] if said == "ok" else [f"the database is damaged: {said}"])


def wrong_entries(workspace: Workspace, harmed: set[str]) -> list[str]:
    """Return what is wrong with the results: each has all its bytes, and a row that says which run made it."""
    wrong = []
    for key in ids(workspace.db, "SELECT DISTINCT key AS id FROM entries"):
        for entry in store.entries_of(workspace.db, key):
            needed = {blob for one in entry.outputs.values() for blob in blobs_of(one, workspace.blobs)} - harmed
            wrong += [f"entry {key[:12]} has lost {blob[:12]}" for blob in needed if not workspace.blobs.has(blob)]
    orphans = (
        "SELECT key AS id FROM entries WHERE NOT EXISTS (SELECT 1 FROM step_runs WHERE step_runs.key = entries.key"
    )
    made = " AND step_runs.variant = entries.variant AND step_runs.outcome = 'ran')"
    return wrong + [f"nobody made entry {key[:12]}" for key in ids(workspace.db, orphans + made)]


def left_over(workspace: Workspace) -> list[str]:
    """Return what a dead run may leave, and the next one has to clear away."""
    queries = {
        "a lease of": "SELECT owner AS id FROM leases WHERE owner <> ''",
        "a running attempt at": "SELECT step AS id FROM attempts WHERE outcome = 'running'",
        "a checkpoint for": "SELECT key AS id FROM checkpoints",
    }
    rows = [f"{what} {id}" for what, query in queries.items() for id in ids(workspace.db, query)]
    scratch = workspace.state / "scratch"
    return rows + [f"scratch folder {path.name}" for path in (scratch.iterdir() if scratch.is_dir() else ())]


def judge(before: Look, after: Look, wanted: Look, *, kills: int) -> list[str]:
    """Return what is wrong after kills (`before`), and after one more run (`after`), compared with none at all."""
    wrong = [*before.wrong, *after.wrong, *after.left]
    last, expected = after.rows.get("last", {}), wanted.rows["last"]
    ended = {label for name, rows in before.rows.items() if name != "old" for label in rows}
    for name, state in after.runs.items():
        whole = state == "succeeded" and len(after.rows[name]) == len(expected)  # it had only to let go of things
        if not whole and (state != "failed" or not name.startswith("killed")):
            wrong.append(f"run {name} is {state}")
    for name, rows in before.rows.items():
        if after.rows.get(name) != rows:
            wrong.append(f"the rows of run {name} are others than before the restart")
    if list(last) != list(expected):
        wrong.append(f"the last run has rows of {list(last)}")
    for label, row in expected.items():
        times = after.did.get(label, 0) - before.did.get(label, 0)
        if label in ended and (times or last[label]["outcome"] != "hit"):
            wrong.append(f"{label} was durable and was done again")
        if label not in ended and times != wanted.did.get(label, 0):
            wrong.append(f"{label} was executed {times} times after the restart")
        if dict(last[label]["outputs"]) != dict(row["outputs"]):
            wrong.append(f"{label} gave another result")
    repeated = sum(after.did.values()) - sum(wanted.did.values())
    wrong += [f"{after.waiting} things are left of killed writers"] if after.waiting > kills else []
    return wrong + ([f"{repeated} executions were repeated"] if repeated > kills else [])


def is_there(name: str, workspace: Workspace) -> bool:
    return workspace.blobs.has(name) and workspace.blobs.is_whole(name)


def ids(db: Reader, query: str) -> list[str]:
    return [row["id"] for row in db.rows(query)]


def plain(value: Any) -> Any:
    """Return a value as it comes back from JSON."""
    return json.loads(json.dumps(value))
