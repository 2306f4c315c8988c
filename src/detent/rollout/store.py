"""Rollouts that survive: their state, the counts of every stage and every decision that moved them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from detent.errors import RefusedError
from detent.records.event import Fact
from detent.records.rollout import ADVANCE, HOLD, Rollout, Step, Tally
from detent.rollout.decide import CALLED_BACK, PROMOTED, ROLLED_BACK, RUNNING, state_after
from detent.rollout.shadow import ShadowReport
from detent.store import ledger
from detent.store.canonical import canonical
from detent.store.clock import iso
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries("detent.rollout")
_EVENTS = {
    RUNNING: "rollout.advanced",
    PROMOTED: "rollout.promoted",
    ROLLED_BACK: "rollout.rolled_back",
    CALLED_BACK: "rollout.called_back",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A step that was taken and everything it was computed from: `decide` gives the same step again."""

    at: str  # ISO time: the `now` of the decision
    actor: str
    stage: int
    stage_since: str
    stage_requests: int
    tallies: tuple[Tally, ...]
    shadow: ShadowReport | None
    step: Step


def open_rollout(
    tx: Transaction,
    *,
    model: str,
    endpoint: str,
    candidate: int,
    champion: int | None,
    stage: int = 0,
    actor: str,
    now: datetime,
) -> Rollout:
    """Start a rollout at a stage of the plan, the first one unless told otherwise, and write `rollout.opened`.

    Raises:
        RefusedError: another rollout runs on this endpoint, or the candidate is the champion already.
    """
    running = current(tx, endpoint)
    if running is not None:
        raise RefusedError(
            what=f"version {candidate} can't be rolled out on `{endpoint}` now",
            why=f"rollout {running.id} of version {running.candidate} is still running there",
            fix="wait until it ends, or end it with `detent rollback`",
        )
    if candidate == champion:
        raise RefusedError(
            what=f"version {candidate} is the champion of `{endpoint}` already",
            why="a rollout compares a new version with the one that serves",
            fix="roll out another version",
        )
    number = 1 + (tx.row(_SQL["count_rollouts"], endpoint=endpoint) or {"rollouts": 0})["rollouts"]
    rollout = Rollout(
        id=f"{endpoint}-{number}",
        model=model,
        endpoint=endpoint,
        candidate=candidate,
        champion=champion,
        stage=stage,
        stage_since=iso(now),
        started_at=iso(now),
        state=RUNNING,
        reason=f"Version {candidate} starts its way to all traffic.",
    )
    tx.execute(_SQL["open_rollout"], **asdict(rollout))
    _tell(tx, rollout, "rollout.opened", {"champion": champion}, actor, now)
    return rollout


def apply_step(
    tx: Transaction,
    rollout: Rollout,
    step: Step,
    *,
    stage_requests: int,
    shadow: ShadowReport | None,
    actor: str,
    now: datetime,
) -> Rollout:
    """Move a rollout as decided, keep what the decision was computed from, and write it to the ledger.

    The decision is kept with the tallies stored so far, so `save_tally` comes first. A hold changes the reason that
    people see and nothing else: a controller that looks every second leaves no trail of thousands of rows.

    Raises:
        RefusedError: the rollout has moved since it was read.
    """
    state = state_after(step)
    moved = replace(rollout, state=state, reason=step.reason)
    if step.action == ADVANCE:
        moved = replace(moved, stage=rollout.stage + 1, stage_since=iso(now))
    changed = tx.execute(
        _SQL["move_rollout"],
        id=rollout.id, stage=moved.stage, stage_since=moved.stage_since, state=state, reason=step.reason,
        from_stage=rollout.stage,
    )  # fmt: skip
    if not changed:
        raise RefusedError(
            what=f"rollout {rollout.id} was not moved",
            why=f"it is no longer running at stage {rollout.stage}: somebody else decided about it first",
            fix="read it again; `detent status` shows where it stands",
        )
    if step.action == HOLD:
        return moved
    tx.execute(
        _SQL["save_decision"],
        rollout=rollout.id, at=iso(now), actor=actor, stage=rollout.stage, stage_since=rollout.stage_since,
        stage_requests=stage_requests,
        tallies=canonical([asdict(tally) for tally in tallies(tx, rollout.id)]).decode(),
        shadow=None if shadow is None else canonical(asdict(shadow)).decode(),
        action=step.action, reason=step.reason, evidence=step.evidence,
    )  # fmt: skip
    details = {"stage": moved.stage, "reason": step.reason, "evidence": step.evidence}
    _tell(tx, moved, _EVENTS[state], details, actor, now)
    return moved


def save_tally(tx: Transaction, rollout: Rollout, tally: Tally) -> None:
    """Store the counts of the rollout's present stage; later counts of the same stage replace earlier ones."""
    tx.execute(_SQL["save_tally"], rollout=rollout.id, stage=rollout.stage, **asdict(tally))


def tallies(reader: Reader, rollout: str) -> list[Tally]:
    """Return the counts of every stage of a rollout, in order of stages."""
    return [Tally(**row) for row in reader.rows(_SQL["tallies"], rollout=rollout)]


def current(reader: Reader, endpoint: str) -> Rollout | None:
    """Return the rollout that runs on an endpoint, or None."""
    row = reader.row(_SQL["running_rollout"], endpoint=endpoint)
    return None if row is None else Rollout(**row)


def get(reader: Reader, rollout: str) -> Rollout | None:
    """Return a rollout by its id, or None."""
    row = reader.row(_SQL["rollout"], id=rollout)
    return None if row is None else Rollout(**row)


def history(reader: Reader, endpoint: str) -> list[Rollout]:
    """Return every rollout of an endpoint, oldest first."""
    return [Rollout(**row) for row in reader.rows(_SQL["history"], endpoint=endpoint)]


def decisions(reader: Reader, rollout: str) -> list[Decision]:
    """Return the decisions that moved a rollout, oldest first."""
    return [
        Decision(
            at=row["at"],
            actor=row["actor"],
            stage=row["stage"],
            stage_since=row["stage_since"],
            stage_requests=row["stage_requests"],
            tallies=tuple(Tally(**tally) for tally in json.loads(row["tallies"])),
            shadow=None if row["shadow"] is None else ShadowReport(**json.loads(row["shadow"])),
            step=Step(action=row["action"], reason=row["reason"], evidence=row["evidence"]),
        )
        for row in reader.rows(_SQL["decisions"], rollout=rollout)
    ]


def _tell(tx: Transaction, rollout: Rollout, kind: str, details: dict[str, object], actor: str, now: datetime) -> None:
    payload = {"rollout": rollout.id, "model": rollout.model, "candidate": rollout.candidate, **details}
    ledger.append(tx, Fact(kind=kind, subject=f"endpoint:{rollout.endpoint}", actor=actor, payload=payload), now)
