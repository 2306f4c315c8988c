"""From a passing verdict to all traffic, step by step, and back at once when something is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from detent.errors import RefusedError
from detent.loop.alerts.channels import channel_names
from detent.loop.champion import CHAMPION, champion_version
from detent.loop.judging.waivers import require_in_force
from detent.loop.releases.evidence import Evidence, slow_limits
from detent.loop.releases.plan import plan_of
from detent.loop.releases.traffic import ROLLED_BACK, Gateway, apply_route, desired_route, previous_champion
from detent.loop.workspace import Workspace
from detent.monitor import outbox
from detent.records.alert import Alert
from detent.records.finding import CRITICAL, WARNING
from detent.records.log import OFF
from detent.records.project import RolloutPlan
from detent.records.rollout import (
    AB,
    ADVANCE,
    BANDIT,
    FINISH,
    HOLD,
    INCONCLUSIVE,
    ROLL_BACK,
    RUNNING,
    Rollout,
    Step,
)
from detent.registry import aliases, versions
from detent.rollout import store
from detent.rollout.experiment import first_arms
from detent.rollout.judge import judge
from detent.rollout.look import Look
from detent.rollout.words import span
from detent.store.clock import iso
from detent.store.database import Transaction

CHALLENGER = "challenger"
ALL = 10_000
_TRIES = 5  # routes that are published in a row before the next look has to go on


def release(
    ws: Workspace,
    gateway: Gateway,
    number: int,
    *,
    reason: str,
    hotfix: bool = False,
    rivals: Sequence[int] = (),
) -> Rollout:
    """Start the way of a registered version to all traffic, or the experiment that the project's plan asks for.

    The first version ever goes straight there: there is nothing to compare it with. A hotfix skips the shadow stage. A
    version that a serving process refuses is rolled back before it has answered anything.

    Args:
        ws: the project.
        gateway: the serving processes.
        number: the version.
        reason: why; it goes into the ledger.
        hotfix: skip the shadow stage.
        rivals: further versions that an A/B test or a bandit tries beside it.

    Raises:
        RefusedError: no such version, another rollout runs, it is the champion already, or the plan compares only one;
            it passed by a waiver that is over.
    """
    for one in (number, *rivals):
        require_in_force(ws, versions.get(ws.db, ws.model, one))
    champion = champion_version(ws)
    opening = _opening(ws, number, rivals, champion.number if champion else None, hotfix=hotfix)
    with ws.db.transaction() as tx:
        rollout = store.open_rollout(tx, opening, actor=ws.actor, now=ws.now())
        aliases.set_alias(
            tx, model=ws.model, alias=CHALLENGER, number=number, actor=ws.actor, reason=reason, now=ws.now()
        )
    if champion is None:
        return advance(ws, gateway) or rollout
    try:
        _publish(ws, gateway, reason=f"{reason}; {_begins(ws, rollout)}")
    except RefusedError as refusal:
        return _move(ws, gateway, rollout, _asked(f"{refusal.what}: {refusal.why}"), look=None)
    return rollout


def keep_route(ws: Workspace, gateway: Gateway) -> None:
    """Publish the route that aliases and the running rollout ask for, if it is not the one in force.

    A crash, or serving processes that did not answer, may have come between a decision and its route. Cheap when there
    is nothing to do. A candidate that serving processes refuse is rolled back.

    Raises:
        RefusedError: they refuse a version, and no rollout is to blame.
    """
    if champion_version(ws) is None:
        return
    try:
        _publish(ws, gateway, reason="the route was not the one that was decided")
    except RefusedError as refusal:
        rollout = store.current(ws.db, ws.project.serving.endpoint)
        if rollout is None:
            raise
        _move(ws, gateway, rollout, _asked(f"{refusal.what}: {refusal.why}"), look=None)


def advance(
    ws: Workspace, gateway: Gateway, evidence: Evidence | None = None, *, forward: bool = True
) -> Rollout | None:
    """Look at the running rollout once: advance, hold, finish or roll back. None when nothing is running.

    `evidence` remembers what was counted at earlier looks; without it the log of the rollout is counted again. Not
    `forward`: it gets no more traffic at this look, because answers that should be known are not.
    """
    rollout = store.current(ws.db, ws.project.serving.endpoint)
    if rollout is None:
        return None
    gateway.settle()
    now = ws.now()  # the decision is kept with this moment, so that it can be taken again
    look = (evidence or Evidence()).look(ws, rollout, now=now)
    plan = plan_of(ws, rollout)
    step = judge(plan, rollout, look, now=now)
    if not forward and step.action in (ADVANCE, FINISH):
        return rollout
    if step.action == HOLD:
        with ws.db.transaction() as tx:
            if step.alarm and not store.alarm_told(tx, rollout, step.alarm):
                _alarm(ws, tx, rollout, step)
            return store.apply_step(tx, rollout, step, plan=plan, look=look, actor=ws.actor, now=now)
    return _move(ws, gateway, rollout, step, look=look, now=now, evidence=evidence)


def extend(ws: Workspace, *, reason: str) -> Rollout:
    """Give the running rollout's stage its whole time again.

    Raises:
        RefusedError: nothing is rolling out; or it is an experiment, which has no stages.
    """
    rollout = store.current(ws.db, ws.project.serving.endpoint)
    if rollout is None:
        raise RefusedError(
            what="there is nothing to extend",
            why=f"no rollout runs on `{ws.project.serving.endpoint}`",
            fix="start one: detent deploy",
        )
    if rollout.arms:
        raise RefusedError(
            what=f"rollout {rollout.id} can't be extended",
            why=f"it has no stages: it ends {span(plan_of(ws, rollout).experiment.lasts)} after it began",
            fix="write a longer rollout.lasts in detent.yaml, and start `detent up` again",
        )
    with ws.db.transaction() as tx:
        return store.extend(tx, rollout, reason=reason, actor=ws.actor, now=ws.now())


def rollback(ws: Workspace, gateway: Gateway, *, reason: str, left: int | None = None) -> str:
    """Go back at once and say what was done: end the running rollout, or return to the previous champion.

    Nothing is loaded: every serving process still holds the version that takes over.

    Args:
        ws: the project.
        gateway: its serving processes.
        reason: for the history.
        left: the only champion that may lose its place; None: whichever it is.

    Raises:
        RefusedError: nothing is rolling out and there is no earlier champion; or `left` is not champion any more.
    """
    rollout = store.current(ws.db, ws.project.serving.endpoint)
    if rollout is not None:
        _move(ws, gateway, rollout, _asked(f"Asked for: {reason}"), look=None)
        return f"rollout of version {rollout.candidate} ended; version {rollout.champion} answers everything"
    present, previous = champion_version(ws), previous_champion(ws)
    if previous is None:
        raise RefusedError(
            what="there is nothing to roll back to",
            why="no version was champion before the present one, or it was rolled back itself",
            fix="deploy another version: `detent status` lists them",
        )
    with ws.db.transaction() as tx:
        if left is not None and aliases.current(tx, ws.model, CHAMPION) != left:
            raise RefusedError(
                what=f"version {left} does not answer any more",
                why="another version took over meanwhile",
                fix="nothing is to be done; `detent status` shows which",
            )
        _point(ws, tx, CHAMPION, previous, f"{ROLLED_BACK}{reason}")
    _publish(ws, gateway, reason=f"{ROLLED_BACK}{reason}")
    gone = present.number if present else "?"
    return f"version {previous} answers everything again; version {gone} takes no traffic"


def _publish(ws: Workspace, gateway: Gateway, *, reason: str) -> None:
    """Publish the route that follows from the registry; once more when that has changed meanwhile.

    Of two controllers, the one that writes last has looked last.

    Raises:
        RefusedError: a process refused a version that would take traffic; the old route stays in force.
    """
    for _ in range(_TRIES):
        written = apply_route(ws, gateway, reason=reason)
        if replace(desired_route(ws), seq=written.seq) == written:
            return


def _opening(ws: Workspace, number: int, rivals: Sequence[int], champion: int | None, *, hotfix: bool) -> store.Opening:
    """Check what is to be rolled out, and freeze what its service times will be compared with."""
    plan, candidates = ws.project.rollout, tuple(dict.fromkeys((number, *rivals)))
    experiment = plan.kind in (AB, BANDIT)
    for candidate in candidates:
        versions.get(ws.db, ws.model, candidate)
    if len(candidates) > 1 and (not experiment or champion is None or champion in candidates):
        raise RefusedError(
            what=f"versions {', '.join(map(str, candidates))} can't be rolled out together",
            why="a canary has one candidate, and an experiment compares versions with the champion",
            fix="deploy one version, or write rollout: {kind: ab} or bandit in detent.yaml, and leave the champion out",
        )
    if champion is not None and ws.project.serving.log.mode == OFF:
        raise RefusedError(
            what=f"version {number} can't be rolled out",
            why="serving.log is off, so nothing would ever be known about it, and no data is no decision",
            fix="write serving: {log: {mode: sample, sample: 10%}} in detent.yaml, or any other mode",
        )
    slow, slower = slow_limits(ws, plan, champion, ws.now())
    return store.Opening(
        model=ws.model,
        endpoint=ws.project.serving.endpoint,
        candidate=number,
        champion=champion,
        plan=plan,
        stage=1 if hotfix and plan.stages[0].weight == 0 else 0,
        kind=plan.kind,
        arms=first_arms(plan, champion, candidates) if experiment and champion is not None else (),
        slow=slow,
        slower=slower,
    )


def _move(
    ws: Workspace,
    gateway: Gateway,
    rollout: Rollout,
    step: Step,
    *,
    look: Look | None,
    now: datetime | None = None,
    evidence: Evidence | None = None,
) -> Rollout:
    """Store a decision with its alias changes in one transaction, then publish the route that follows from it."""
    plan, now = plan_of(ws, rollout), now or ws.now()
    limits = _limit_after_shadow(ws, plan, rollout, step)
    with ws.db.transaction() as tx:
        moved = store.apply_step(tx, rollout, step, plan=plan, look=look, actor=ws.actor, now=now)
        if limits is not None:
            moved = store.freeze_slower(tx, moved, limits)
        if step.action == FINISH:
            _point(ws, tx, CHAMPION, rollout.candidate, step.reason)
        if moved.state != RUNNING:
            _point(ws, tx, CHALLENGER, None, step.reason)
        if step.alarm:
            _alarm(ws, tx, rollout, step)
    if step.action == ADVANCE and plan.stages[moved.stage].weight == ALL:
        # All traffic is the end of the way, not another test: there is no champion left to compare with.
        return advance(ws, gateway, evidence) or moved
    _publish(ws, gateway, reason=step.reason)
    return moved


def _limit_after_shadow(ws: Workspace, plan: RolloutPlan, rollout: Rollout, step: Step) -> float | None:
    """Return the limit of "slower" for a champion that had too few answers when the rollout began."""
    leaves = step.action == ADVANCE and plan.stages[rollout.stage].weight == 0
    return slow_limits(ws, plan, rollout.champion, ws.now())[1] if leaves and rollout.slower is None else None


def _alarm(ws: Workspace, tx: Transaction, rollout: Rollout, step: Step) -> None:
    """Tell people what needs them: a split that can't be trusted, or a stage that ended without an answer."""
    title = "Rollout is inconclusive" if step.alarm == INCONCLUSIVE else "Routing is broken"
    alert = Alert(
        key=f"rollout:{rollout.id}:{step.alarm}",
        severity=WARNING if step.alarm == INCONCLUSIVE else CRITICAL,
        title=f"{title}: version {rollout.candidate}",
        text=step.reason,
        opened_at=iso(ws.now()),
        at=iso(ws.now()),
        rise=False,
    )
    outbox.queue(tx, [alert], channel_names(ws), endpoint=rollout.endpoint, actor=ws.actor, now=ws.now())


def _asked(reason: str) -> Step:
    return Step(action=ROLL_BACK, reason=reason, evidence=None)


def _begins(ws: Workspace, rollout: Rollout) -> str:
    return f"{rollout.kind} begins" if rollout.arms else f"stage {plan_of(ws, rollout).stages[rollout.stage].name}"


def _point(ws: Workspace, tx: Transaction, alias: str, number: int | None, reason: str) -> None:
    aliases.set_alias(tx, model=ws.model, alias=alias, number=number, actor=ws.actor, reason=reason, now=ws.now())
