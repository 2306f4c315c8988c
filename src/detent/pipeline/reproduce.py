"""Do a run's steps give the same bytes again? From its recorded code, data and parameters; nothing is committed.

The run is done once more in a state of its own, which knows no results. A step whose key is the recorded one, and whose
bytes are not, is not deterministic; one whose key differs ran under other conditions, and these are named.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from detent.errors import ProjectError
from detent.pipeline import store
from detent.pipeline.bundle_code import unbundle_code
from detent.pipeline.document import load_document
from detent.pipeline.executors.protocol import Executor
from detent.pipeline.plan import why
from detent.pipeline.run import Order, run_document
from detent.pipeline.seal import FINGERPRINT_KEY
from detent.pipeline.workspace import Workspace
from detent.records.run import Run, StepRun
from detent.store.blobs import Blobs
from detent.store.database import Reader, open_database
from detent.store.migrate import migrate

SAME, DIFFERENT, CHANGED, FAILED = "same", "different", "changed", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One step of a run, done again."""

    step: str  # with the item's number in a fan-out
    state: str  # same | different (not deterministic) | changed (done under other conditions) | failed
    why: str


def reproduce(run_id: str, *, workspace: Workspace, executor: Executor, order: Order) -> list[Compared]:
    """Do a run again and compare it step by step, in the graph's order.

    Raises:
        ProjectError: there is no such run, or it has no graph.
        StoreError: recorded code or data is missing from the store.
    """
    recorded, inputs = store.load_run(workspace.db, run_id), store.run_inputs(workspace.db, run_id)
    if recorded is None or inputs is None or not recorded.graph:
        raise ProjectError(
            what=f"there is no run `{run_id}` to reproduce",
            why="a run is reproduced from its stored graph, and none is stored under that id",
            fix="`detent log` names the runs",
        )
    document = load_document(recorded.graph, workspace.blobs)
    with _elsewhere(workspace) as scratch:
        unbundle_code(document.bundle, scratch.folder, workspace)
        _restore_reads(recorded, workspace.db, scratch.folder, workspace.blobs)
        again = run_document(document, inputs, workspace=scratch, run_id=run_id, executor=executor, order=order)
        made = {(row.step, row.shard): row for row in again.run.steps}
        return [
            _compare(row, made.get((row.step, row.shard)), workspace.db, scratch.db)
            for row in recorded.steps
            if row.outcome in ("hit", "ran")
        ]


@contextmanager
def _elsewhere(workspace: Workspace) -> Iterator[Workspace]:
    """Give a workspace with the same blobs and secrets and an empty memory."""
    with tempfile.TemporaryDirectory(prefix="detent-reproduce-") as temporary:
        state = Path(temporary, "state")
        key = workspace.state / FINGERPRINT_KEY
        if key.is_file():
            (state / FINGERPRINT_KEY).parent.mkdir(parents=True)
            shutil.copy(key, state / FINGERPRINT_KEY)
        db = open_database(state / "detent.db")
        try:
            migrate(db, ["detent.store", "detent.pipeline"])
            yield Workspace(
                folder=Path(temporary, "code"),
                state=state,
                blobs=workspace.blobs,
                db=db,
                clock=workspace.clock,
                blobs_url=workspace.address.blobs,
            )
        finally:
            db.close()


def _restore_reads(run: Run, db: Reader, folder: Path, blobs: Blobs) -> None:
    """Bring back the project files that steps read without declaring them."""
    for row in run.steps:
        for entry in store.entries_of(db, row.key):
            for read in entry.reads if entry.variant == row.variant else ():
                if read.kind == "file" and read.digest and not Path(read.name).is_absolute() and blobs.has(read.digest):
                    target = folder / read.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    blobs.materialise(read.digest, target)


def _compare(recorded: StepRun, made: StepRun | None, db: Reader, scratch: Reader) -> Compared:
    if made is None or made.outcome not in ("hit", "ran"):
        reason = "it did not run again" if made is None else made.error or made.why
        return Compared(step=recorded.label, state=FAILED, why=reason)
    same = dict(recorded.outputs) == dict(made.outputs)
    if same:
        return Compared(step=recorded.label, state=SAME, why="same bytes")
    if recorded.key == made.key and recorded.variant == made.variant:
        differing = [name for name, digest in made.outputs if dict(recorded.outputs).get(name) != digest]
        return Compared(
            step=recorded.label,
            state=DIFFERENT,
            why=f"not deterministic: the same work gave other bytes for {', '.join(differing)}",
        )
    before = store.parts_of_entry(db, recorded.key, recorded.variant)
    now = store.parts_of_entry(scratch, made.key, made.variant)
    reason = why(now, before) if now and before else "it ran under other conditions"
    return Compared(step=recorded.label, state=CHANGED, why=reason)
