"""A change that does not matter: the last result also counts for the code as it is now, because somebody says so."""

from __future__ import annotations

from dataclasses import replace

from detent.errors import RefusedError
from detent.pipeline import store
from detent.pipeline.preview import RUN, Expected
from detent.pipeline.store import Entry
from detent.records.run import StepRun
from detent.store.database import Reader, Transaction

_MAY_DIFFER = ("code", "function", "environment")


def acceptable(expected: Expected, db: Reader) -> Entry:
    """Return the last result of a step whose code or packages have changed and nothing else.

    Raises:
        RefusedError: the step is no miss, has no last result, or its data or parameters have changed.
    """
    if expected.state != RUN:
        raise RefusedError(
            what=f"there is nothing to accept at `{expected.step}`",
            why=f"it is `{expected.state}`: {expected.why}",
            fix="`detent plan` shows which steps would run",
        )
    entries = store.entries_of(db, expected.before_key) if expected.before_key else []
    if not entries:
        raise RefusedError(
            what=f"`{expected.step}` has no result that could be kept",
            why=expected.why,
            fix="run it",
        )
    other = [change for change in expected.changes if change.part not in _MAY_DIFFER]
    if other:
        raise RefusedError(
            what=f"the change at `{expected.step}` can't be accepted",
            why=f"not only its code is different: {other[0]}",
            fix="run it: other data or parameters give another result",
        )
    return entries[0]


def accept(tx: Transaction, expected: Expected, entry: Entry, *, by: str, reason: str, now: str) -> None:
    """Let a result count under the step's present key too; downstream steps see the same bytes, so they are hits."""
    assert expected.planned is not None
    kept = replace(entry, key=expected.planned.key, created=now, accepted=f"{by}: {reason}")
    row = StepRun(step=expected.step, shard=expected.shard, outcome="hit", why="accepted")
    store.commit_entry(tx, kept, parts=expected.planned.parts, step_run=row, run="")
