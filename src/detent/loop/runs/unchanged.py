"""Is there anything to do for `detent run`? Answered before user code, a data frame or a model library is loaded."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from detent.pipeline import plan_cache
from detent.pipeline.seal import project_key
from detent.project.database import open_state
from detent.store import ledger
from detent.store.database import Reader

STATE = ".detent"
PLAN = "plan.json"
# Events after which the same data and code may get another verdict, or a run has been made by somebody else.
_TURNS = ("alias.changed", "run.started", "step.accepted", "waiver.granted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asks for; another question has another answer."""

    hermetic: bool = False
    executor: str = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to say when nothing has changed."""

    said: str
    status: int  # exit status of the command
    steps: tuple[str, ...]  # names of all steps, in order


def unchanged(folder: Path, asked: Asked) -> Answer | None:
    """Return what the last run said, when a new one would find everything as it was; None when it has to look.

    Raises:
        StoreError: the state folder can't be read.
    """
    state = folder.resolve() / STATE
    plan = state / PLAN
    if not plan.is_file():
        return None
    found = plan_cache.recall(plan, asked=dataclasses.asdict(asked), key=project_key(state))
    if found is None:
        return None
    facts, answer = found
    db = open_state(state / "detent.db")
    try:
        if facts != facts_of(db):
            return None
    finally:
        db.close()
    return Answer(said=answer["said"], status=answer["status"], steps=tuple(answer["steps"]))


def facts_of(db: Reader) -> dict[str, int]:
    """Return what the ledger says of things that could give the same code and data another end."""
    return {kind: ledger.last_seq(db, kind) for kind in _TURNS}
