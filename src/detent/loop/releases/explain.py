"""Why a rollout went as it did: each decision in words, taken again from what was kept, checked against the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from detent.errors import RefusedError, did_you_mean
from detent.loop.releases.evidence import recount
from detent.loop.releases.plan import plan_of
from detent.loop.workspace import Workspace
from detent.predictions import places
from detent.records.rollout import Difference, Metric, Rollout, Tally
from detent.rollout import store
from detent.rollout.judge import judge
from detent.rollout.look import Look
from detent.rollout.store import Decision
from detent.rollout.words import candidates, count, odds, rivals_of, standing, times
from detent.store.clock import parse

COLUMN = 16  # characters of the first words of a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A rollout in words."""

    lines: tuple[str, ...]
    differs: bool  # a decision taken again came out differently, or rows that were counted are not in the log


def explain(ws: Workspace, name: str) -> Explained:
    """Explain a rollout, running or ended.

    Raises:
        RefusedError: there is no rollout of that name.
    """
    rollout = _find(ws, name)
    taken = store.decisions(ws.db, rollout.id)
    beside = "the first of its model" if rollout.champion is None else f"beside version {rollout.champion}"
    lines = [
        f"{rollout.id}: {rollout.kind} of {candidates(rollout)}, {beside}. "
        f"Started {rollout.started_at[:19]} UTC; {rollout.state}."
    ]
    differs = False
    for decision in taken:
        told, wrong = _decision(ws, decision)
        lines += ["", *told]
        differs = differs or wrong
    if rollout.state == "running":
        lines += ["", *_running(ws, rollout)]
    return Explained(lines=tuple(lines), differs=differs)


def _find(ws: Workspace, name: str) -> Rollout:
    known = store.history(ws.db, ws.project.serving.endpoint)
    for rollout in known:
        if name in (rollout.id, rollout.id.rpartition("-")[2]):
            return rollout
    names = tuple(rollout.id for rollout in known)
    raise RefusedError(
        what=f"there is no rollout `{name}`",
        why=f"`{ws.project.serving.endpoint}` had {count(len(names), 'rollout')}",
        fix=did_you_mean(name, names) if names else "start one: detent deploy",
    )


def _decision(ws: Workspace, decision: Decision) -> tuple[list[str], bool]:
    before, look, step = decision.rollout, decision.look, decision.step
    where = f" ({standing(decision.plan, before)})" if decision.plan is not None and before is not None else ""
    lines = [f"{decision.at[:19]} UTC  {step.action}{where}, by {decision.actor}", f"  {step.reason}"]
    if before is None or decision.plan is None or look is None:
        return [*lines, "  Nothing was measured for it, so there is nothing to take again."], False
    lines += [f"  {line}" for line in _seen(before, step.metrics, look)]
    again = judge(decision.plan, before, look, now=parse(decision.at))
    if replace(again, reason=step.reason) != step:
        return [*lines, f"  TAKEN AGAIN, IT DIFFERS: {again.action}. {again.reason}"], True
    # Another version of detent may say the same with other words.
    worded = "the same." if again.reason == step.reason else f"the same, in other words: {again.reason}"
    log, missing = _against_log(ws, decision, before, look)
    return [*lines, f"  Taken again from what was kept: {worded} {log}"], missing


def _running(ws: Workspace, rollout: Rollout) -> list[str]:
    found = store.latest_look(ws.db, rollout.id)
    if found is None:
        return ["Nobody has looked yet: the controller of `detent up` does."]
    at, look, step = found
    return [
        f"{at[:19]} UTC  now ({standing(plan_of(ws, rollout), rollout)})",
        f"  {step.reason}",
        *(f"  {line}" for line in _seen(rollout, step.metrics, look)),
    ]


def _seen(rollout: Rollout, metrics: Sequence[Metric], look: Look) -> Iterator[str]:
    rivals = rivals_of(rollout)
    each = len(metrics) // len(rivals)  # of every rival the same metrics, one rival after the other
    for at, metric in enumerate(metrics):
        whose = f" of version {rivals[at // each]}" if len(rivals) > 1 else ""
        yield (
            f"{metric.name:{COLUMN}s} {metric.candidate_bad:,} of {metric.candidate_requests:,}{whose} against "
            f"{metric.champion_bad:,} of {metric.champion_requests:,}; harm {odds(metric.harm)} "
            f"(alpha {metric.alpha:g}: {odds(1 / metric.alpha)} rolls back), safety {odds(metric.safe)} by the "
            f"{metric.proof}; ratio {times(metric.ratio, metric.low, metric.high)}"
        )
    if look.shadow is not None:
        seen = look.shadow
        yield f"shadow           failed {seen.errors:,} of {seen.requests:,}, the champion {seen.champion_errors:,}"
    yield from map(_mean, look.differences)
    for one in look.rewards:
        yield f"reward           version {one.version}: {one.rewarded:,} of {one.matured:,} matured rows have a label"
    yield f"route            number {look.route_seq}"


def _mean(one: Difference) -> str:
    return f"{one.name:16s} {one.mean:+.4g} of version {one.version}, {one.rows:,} rows from {one.source}"


def _against_log(ws: Workspace, decision: Decision, before: Rollout, look: Look) -> tuple[str, bool]:
    """Count the log again. Rows that were in flight may have come since; one that is gone is a fault."""
    again = {(tally.version, tally.weight): tally for tally in recount(ws, before, parse(decision.at)).tallies()}
    if all(again.get((tally.version, tally.weight)) == tally for tally in look.tallies):
        return "The log gives the same counts.", False
    if all(_holds(again.get((tally.version, tally.weight)), tally) for tally in look.tallies):
        return "The log has rows besides, which were in flight then, or on their way from another host.", False
    oldest = min(places.days(places.parquet(ws.state), since=date.min), default=None)
    if oldest is not None and oldest >= parse(before.started_at).date():
        return f"The log is kept from {oldest} on, so it can't be counted again.", False
    return "THE LOG HOLDS FEWER ROWS than were counted for it.", True


def _holds(again: Tally | None, counted: Tally) -> bool:
    return (
        again is not None
        and again.candidate.requests >= counted.candidate.requests
        and again.champion.requests >= counted.champion.requests
    )
