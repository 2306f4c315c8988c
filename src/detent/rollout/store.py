"""Rollouts that survive: their state, the newest look at them and every decision that moved them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from detent.errors import RefusedError
from detent.records.event import Fact
from detent.records.project import RolloutPlan
from detent.records.rollout import (
    ADVANCE,
    CALLED_BACK,
    CONCLUDED,
    HOLD,
    INCONCLUSIVE,
    PROMOTED,
    REWEIGHT,
    ROLLED_BACK,
    ROUTING_BROKEN,
    RUNNING,
    Metric,
    Rollout,
    Step,
)
from detent.records.route import Arm
from detent.rollout.decide import state_after
from detent.rollout.look import Look, look_as_json, look_from_json, plan_as_json, plan_from_json
from detent.store import ledger
from detent.store.canonical import canonical
from detent.store.clock import iso
from detent.store.database import Reader, Row, Transaction
from detent.store.queries import load_queries

_SQL = load_queries("detent.rollout")
_EVENTS = {
    RUNNING: "rollout.advanced",
    PROMOTED: "rollout.promoted",
    ROLLED_BACK: "rollout.rolled_back",
    CALLED_BACK: "rollout.called_back",
    CONCLUDED: "rollout.concluded",
}
_ALARMS = {INCONCLUSIVE: "rollout.inconclusive", ROUTING_BROKEN: "rollout.routing_broken"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A step that was taken and everything it was computed from: `judge` gives the same step again."""

    at: str  # ISO time: the `now` of the decision
    actor: str
    rollout: Rollout | None  # as it stood before; None: an earlier version of detent kept less
    plan: RolloutPlan | None  # as it was then
    look: Look | None  # None: nobody looked; a person or the serving processes decided
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a rollout is about."""

    model: str
    endpoint: str
    candidate: int
    champion: int | None
    plan: RolloutPlan
    stage: int = 0
    kind: str = "canary"
    arms: tuple[Arm, ...] = ()
    slow: float | None = None  # see Rollout
    slower: float | None = None


def open_rollout(tx: Transaction, opening: Opening, *, actor: str, now: datetime) -> Rollout:
    """Start a rollout and write `rollout.opened`.

    Raises:
        RefusedError: another rollout runs on this endpoint, or the candidate is the champion already.
    """
    endpoint, candidate, champion = opening.endpoint, opening.candidate, opening.champion
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
        model=opening.model,
        endpoint=endpoint,
        candidate=candidate,
        champion=champion,
        stage=opening.stage,
        stage_since=iso(now),
        started_at=iso(now),
        state=RUNNING,
        reason=_opened(candidate, opening.arms),
        kind=opening.kind,
        arms=opening.arms,
        slow=opening.slow,
        slower=opening.slower,
    )
    tx.execute(
        _SQL["open_rollout"],
        **{**asdict(rollout), "arms": _arms_as_json(rollout.arms), "plan": _plan_as_json(opening.plan)},
    )
    _tell(tx, rollout, "rollout.opened", {"champion": champion, "kind": rollout.kind}, actor, now)
    return rollout


def _opened(candidate: int, arms: tuple[Arm, ...]) -> str:
    if not arms:
        return f"Version {candidate} starts its way to all traffic."
    numbers = [str(arm.version) for arm in arms]
    return f"Versions {', '.join(numbers[:-1])} and {numbers[-1]} share the traffic, to be compared."


def apply_step(
    tx: Transaction,
    rollout: Rollout,
    step: Step,
    *,
    plan: RolloutPlan,
    look: Look | None,
    actor: str,
    now: datetime,
) -> Rollout:
    """Move a rollout as decided, keep what the decision was computed from, and write it to the ledger.

    A hold changes the reason that people see and nothing else, so that a controller that looks every second leaves no
    trail of thousands of rows; a hold that people must hear of is kept and told once per stage.

    Raises:
        RefusedError: the rollout has moved since it was read.
    """
    moved = _moved(rollout, step, now)
    changed = tx.execute(
        _SQL["move_rollout"],
        id=rollout.id, stage=moved.stage, stage_since=moved.stage_since, state=moved.state, reason=step.reason,
        arms=_arms_as_json(moved.arms), from_stage=rollout.stage, from_since=rollout.stage_since,
    )  # fmt: skip
    if not changed:
        raise _overtaken(rollout, "moved")
    seen = None if look is None else canonical(look_as_json(look)).decode()
    taken = canonical(asdict(step)).decode()
    if seen is not None:
        tx.execute(_SQL["save_look"], rollout=rollout.id, at=iso(now), look=seen, step=taken)
    if step.action == HOLD and (not step.alarm or alarm_told(tx, rollout, step.alarm)):
        return moved
    tx.execute(
        _SQL["save_decision"],
        rollout=rollout.id, at=iso(now), actor=actor, stage=rollout.stage, stage_since=rollout.stage_since,
        action=step.action, reason=step.reason, evidence=step.evidence,
        rollout_before=canonical(asdict(rollout)).decode(), plan=_plan_as_json(plan),
        look=seen, step=taken,
    )  # fmt: skip
    details = {"stage": moved.stage, "reason": step.reason, "evidence": step.evidence}
    if step.action == REWEIGHT:
        details["weights"] = {str(arm.version): arm.weight for arm in step.arms}
    kind = _ALARMS[step.alarm] if step.action == HOLD else _event(step, moved)
    _tell(tx, moved, kind, details, actor, now)
    return moved


def freeze_slower(tx: Transaction, rollout: Rollout, seconds: float) -> Rollout:
    """Fix the service time above which an answer is slower than the champion used to be; only once per rollout."""
    if tx.execute(_SQL["freeze_limit"], id=rollout.id, slower=seconds):
        return replace(rollout, slower=seconds)
    return get(tx, rollout.id) or rollout


def extend(tx: Transaction, rollout: Rollout, *, reason: str, actor: str, now: datetime) -> Rollout:
    """Give the present stage its whole time again: a person has decided to wait for more evidence.

    Raises:
        RefusedError: the rollout has moved since it was read.
    """
    longer = replace(rollout, stage_since=iso(now), reason=f"Extended: {reason}")
    changed = tx.execute(
        _SQL["extend_rollout"],
        id=rollout.id, stage_since=longer.stage_since, reason=longer.reason, from_since=rollout.stage_since,
    )  # fmt: skip
    if not changed:
        raise _overtaken(rollout, "extended")
    _tell(tx, longer, "rollout.extended", {"stage": longer.stage, "reason": reason}, actor, now)
    return longer


def alarm_told(reader: Reader, rollout: Rollout, alarm: str) -> bool:
    """Return whether people have heard of an alarm in the present stage."""
    rows = reader.rows(
        _SQL["alarms_of_stage"], rollout=rollout.id, stage=rollout.stage, stage_since=rollout.stage_since
    )
    return any(json.loads(row["step"])["alarm"] == alarm for row in rows)


def latest_look(reader: Reader, rollout: str) -> tuple[str, Look, Step] | None:
    """Return when somebody last looked, what was seen and what was decided; None before the first look."""
    row = reader.row(_SQL["latest_look"], rollout=rollout)
    return None if row is None else (row["at"], look_from_json(json.loads(row["look"])), _step(json.loads(row["step"])))


def current(reader: Reader, endpoint: str) -> Rollout | None:
    """Return the rollout that runs on an endpoint, or None."""
    row = reader.row(_SQL["running_rollout"], endpoint=endpoint)
    return None if row is None else _rollout(row)


def get(reader: Reader, rollout: str) -> Rollout | None:
    """Return a rollout by its id, or None."""
    row = reader.row(_SQL["rollout"], id=rollout)
    return None if row is None else _rollout(row)


def plan_of(reader: Reader, rollout: str) -> RolloutPlan | None:
    """Return the plan that a rollout began with; None: an earlier version of detent kept none."""
    row = reader.row(_SQL["plan"], id=rollout)
    return None if row is None or row["plan"] is None else plan_from_json(json.loads(row["plan"]))


def history(reader: Reader, endpoint: str) -> list[Rollout]:
    """Return every rollout of an endpoint, oldest first."""
    return [_rollout(row) for row in reader.rows(_SQL["history"], endpoint=endpoint)]


def decisions(reader: Reader, rollout: str) -> list[Decision]:
    """Return the decisions that moved a rollout or that people had to hear of, oldest first."""
    return [_decision(row) for row in reader.rows(_SQL["decisions"], rollout=rollout)]


def _moved(rollout: Rollout, step: Step, now: datetime) -> Rollout:
    moved = replace(rollout, state=state_after(step), reason=step.reason)
    if step.action == ADVANCE:
        return replace(moved, stage=rollout.stage + 1, stage_since=iso(now))
    return replace(moved, arms=step.arms, stage_since=iso(now)) if step.action == REWEIGHT else moved


def _event(step: Step, moved: Rollout) -> str:
    return "rollout.reweighted" if step.action == REWEIGHT else _EVENTS[moved.state]


def _decision(row: Row) -> Decision:
    if row["step"] is None:
        step = Step(action=row["action"], reason=row["reason"], evidence=row["evidence"])
        return Decision(at=row["at"], actor=row["actor"], rollout=None, plan=None, look=None, step=step)
    before = json.loads(row["rollout_before"])
    return Decision(
        at=row["at"],
        actor=row["actor"],
        rollout=Rollout(**{**before, "arms": _arms(before["arms"])}),
        plan=plan_from_json(json.loads(row["plan"])),
        look=None if row["look"] is None else look_from_json(json.loads(row["look"])),
        step=_step(json.loads(row["step"])),
    )


def _rollout(row: Row) -> Rollout:
    return Rollout(**{**row, "arms": _arms(json.loads(row["arms"]))})


def _step(data: Mapping[str, Any]) -> Step:
    metrics = tuple(Metric(**metric) for metric in data["metrics"])
    return Step(**{**data, "metrics": metrics, "arms": _arms(data["arms"])})


def _arms(data: Sequence[Mapping[str, int]]) -> tuple[Arm, ...]:
    return tuple(Arm(**arm) for arm in data)


def _arms_as_json(arms: Sequence[Arm]) -> str:
    return canonical([asdict(arm) for arm in arms]).decode()


def _overtaken(rollout: Rollout, done: str) -> RefusedError:
    return RefusedError(
        what=f"rollout {rollout.id} was not {done}",
        why=f"it is no longer running at stage {rollout.stage}: somebody else decided about it first",
        fix="read it again; `detent status` shows where it stands",
    )


def _plan_as_json(plan: RolloutPlan) -> str:
    return canonical(plan_as_json(plan)).decode()


def _tell(tx: Transaction, rollout: Rollout, kind: str, details: dict[str, object], actor: str, now: datetime) -> None:
    payload = {"rollout": rollout.id, "model": rollout.model, "candidate": rollout.candidate, **details}
    ledger.append(tx, Fact(kind=kind, subject=f"endpoint:{rollout.endpoint}", actor=actor, payload=payload), now)
