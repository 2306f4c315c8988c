"""From a passing verdict to all traffic, step by step, and back at once when something is wrong."""

from __future__ import annotations

import json

import polars as pl

from detent.errors import RefusedError
from detent.loop import places
from detent.loop.judge import CHAMPION, champion_version
from detent.loop.traffic import ROLLED_BACK, Gateway, apply_route, previous_champion
from detent.loop.workspace import Workspace
from detent.predictions.read import read
from detent.records.rollout import ADVANCE, FINISH, HOLD, ROLL_BACK, Rollout, Step, Tally
from detent.registry import aliases, versions
from detent.rollout import store
from detent.rollout.decide import decide
from detent.rollout.shadow import ShadowReport, compare_shadow
from detent.serving.counters import read_counts
from detent.serving.places import counter_files
from detent.store.atomic import write_atomic
from detent.store.canonical import canonical
from detent.store.clock import parse
from detent.store.database import Transaction

CHALLENGER = "challenger"


def release(ws: Workspace, gateway: Gateway, number: int, *, reason: str, hotfix: bool = False) -> Rollout:
    """Start the way of a registered version to all traffic.

    The first version ever goes straight there: there is nothing to compare it with. A hotfix skips the shadow stage. A
    version that a serving process refuses is rolled back before it has answered anything.

    Raises:
        RefusedError: no such version, another rollout runs, or it is the champion already.
    """
    version = versions.get(ws.db, ws.model, number)
    champion = champion_version(ws)
    with ws.db.transaction() as tx:
        rollout = store.open_rollout(
            tx,
            model=ws.model,
            endpoint=ws.project.serving.endpoint,
            candidate=version.number,
            champion=champion.number if champion else None,
            stage=1 if hotfix and ws.project.rollout.stages[0].weight == 0 else 0,
            actor=ws.actor,
            now=ws.now(),
        )
        aliases.set_alias(
            tx, model=ws.model, alias=CHALLENGER, number=version.number, actor=ws.actor, reason=reason, now=ws.now()
        )
    _remember_start(ws, rollout)
    if champion is None:
        return advance(ws, gateway) or rollout
    try:
        apply_route(ws, gateway, reason=f"{reason}; stage {ws.project.rollout.stages[rollout.stage].name}")
    except RefusedError as refusal:
        step = Step(action=ROLL_BACK, reason=f"{refusal.what}: {refusal.why}", evidence=None)
        return _move(ws, gateway, rollout, step, requests=0, shadow=None)
    return rollout


def advance(ws: Workspace, gateway: Gateway) -> Rollout | None:
    """Look at the running rollout once: advance, hold, finish or roll back. None when nothing is running."""
    rollout = store.current(ws.db, ws.project.serving.endpoint)
    if rollout is None:
        return None
    gateway.settle()
    tally = _stage_tally(ws, rollout)
    shadow = _shadow_report(ws, rollout) if tally.weight == 0 and rollout.champion is not None else None
    with ws.db.transaction() as tx:
        store.save_tally(tx, rollout, tally)
    requests = shadow.requests if shadow else tally.candidate_requests
    step = decide(
        ws.project.rollout,
        rollout,
        store.tallies(ws.db, rollout.id),
        stage_requests=requests,
        shadow=shadow,
        now=ws.now(),
    )
    if step.action == HOLD:
        with ws.db.transaction() as tx:
            return store.apply_step(
                tx, rollout, step, stage_requests=requests, shadow=shadow, actor=ws.actor, now=ws.now()
            )
    return _move(ws, gateway, rollout, step, requests=requests, shadow=shadow)


def rollback(ws: Workspace, gateway: Gateway, *, reason: str) -> str:
    """Go back at once and say what was done: end the running rollout, or return to the previous champion.

    Nothing is loaded: every serving process still holds the version that takes over.

    Raises:
        RefusedError: nothing is rolling out and there is no earlier champion.
    """
    rollout = store.current(ws.db, ws.project.serving.endpoint)
    if rollout is not None:
        step = Step(action=ROLL_BACK, reason=f"Asked for: {reason}", evidence=None)
        _move(ws, gateway, rollout, step, requests=0, shadow=None)
        return f"rollout of version {rollout.candidate} ended; version {rollout.champion} answers everything"
    present, previous = champion_version(ws), previous_champion(ws)
    if previous is None:
        raise RefusedError(
            what="there is nothing to roll back to",
            why="no version was champion before the present one",
            fix="deploy another version: `detent status` lists them",
        )
    with ws.db.transaction() as tx:
        _point(ws, tx, CHAMPION, previous, f"{ROLLED_BACK}{reason}")
    apply_route(ws, gateway, reason=f"{ROLLED_BACK}{reason}")
    left = present.number if present else "?"
    return f"version {previous} answers everything again; version {left} takes no traffic"


def _move(
    ws: Workspace, gateway: Gateway, rollout: Rollout, step: Step, *, requests: int, shadow: ShadowReport | None
) -> Rollout:
    """Store a decision with its alias changes in one transaction, then publish the route that follows from it."""
    with ws.db.transaction() as tx:
        moved = store.apply_step(
            tx, rollout, step, stage_requests=requests, shadow=shadow, actor=ws.actor, now=ws.now()
        )
        if step.action == FINISH:
            _point(ws, tx, CHAMPION, rollout.candidate, step.reason)
        if step.action != ADVANCE:
            _point(ws, tx, CHALLENGER, None, step.reason)
    if step.action == ADVANCE and ws.project.rollout.stages[moved.stage].weight == 10_000:
        # All traffic is the end of the way, not another test: there is no champion left to compare with.
        return advance(ws, gateway) or moved
    apply_route(ws, gateway, reason=step.reason)
    _remember_start(ws, moved)
    return moved


def _point(ws: Workspace, tx: Transaction, alias: str, number: int | None, reason: str) -> None:
    aliases.set_alias(tx, model=ws.model, alias=alias, number=number, actor=ws.actor, reason=reason, now=ws.now())


def _remember_start(ws: Workspace, rollout: Rollout) -> None:
    """Keep the counters as they stood when the stage began: a stage's counts are differences to it."""
    start = {"rollout": rollout.id, "stage": rollout.stage, "counts": _counts(ws)}
    write_atomic(places.stage_start(ws.state), canonical(start))


def _stage_tally(ws: Workspace, rollout: Rollout) -> Tally:
    try:
        start = json.loads(places.stage_start(ws.state).read_text())
    except (FileNotFoundError, ValueError):
        start = {}
    if (start.get("rollout"), start.get("stage")) != (rollout.id, rollout.stage):
        _remember_start(ws, rollout)  # a crash fell between the decision and this file: count from now on
        return _stage_tally(ws, rollout)
    now, before = _counts(ws), start["counts"]

    def since(version: int | None, arm: str) -> tuple[int, int]:
        key = f"{version}/{arm}"
        then = before.get(key, [0, 0])
        return now.get(key, [0, 0])[0] - then[0], now.get(key, [0, 0])[1] - then[1]

    weight = ws.project.rollout.stages[rollout.stage].weight
    candidate = since(rollout.candidate, "live" if weight else "shadow")
    champion = since(rollout.champion, "live")
    return Tally(
        weight=weight,
        candidate_requests=candidate[0],
        candidate_errors=candidate[1],
        champion_requests=champion[0],
        champion_errors=champion[1],
    )


def _counts(ws: Workspace) -> dict[str, list[int]]:
    counts = read_counts(counter_files(ws.state))
    return {f"{count.version}/{count.arm}": [count.requests, count.errors] for count in counts}


def _shadow_report(ws: Workspace, rollout: Rollout) -> ShadowReport | None:
    """Pair the shadow's answers with the champion's for the same requests of this stage."""
    rows = read(ws.state, since=parse(rollout.stage_since), until=None)
    shadow = rows.filter((pl.col("arm") == "shadow") & (pl.col("version") == rollout.candidate))
    live = rows.filter((pl.col("arm") == "live") & (pl.col("version") == rollout.champion))
    pairs = shadow.select("id", candidate="score").join(live.select("id", champion="score"), on="id")
    if pairs.is_empty():
        return None
    numbers = pairs.select(pl.col("candidate", "champion").cast(pl.Float64).fill_null(float("nan")))
    return compare_shadow(numbers["candidate"].to_numpy(), numbers["champion"].to_numpy())
