"""The words of `detent rollout plan`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from detent.records.project import RolloutPlan
from detent.records.rollout import AB, BANDIT
from detent.rollout.forecast import Needed, StageForecast, forecast
from detent.rollout.words import count, span


def plan_lines(plan: RolloutPlan, *, rate: float, failing: float, from_log: bool) -> Iterator[str]:
    """Yield the lines: per stage how long it takes, which harm it sees when, and what it proves."""
    source = "lately" if from_log else "as told"
    yield f"{plan.kind}: {_often(rate)}, {failing:.2%} of the champion's requests fail ({source})"
    if plan.kind in (AB, BANDIT):
        trial = plan.experiment
        rows = rate * trial.lasts.total_seconds()
        yield f"runs {span(trial.lasts)}: about {count(round(rows), 'request')}; harm ends it at any time"
        return
    if rate <= 0:
        yield "without traffic nothing is ever decided: a stage holds until it is inconclusive"
        yield "say what you expect: detent rollout plan --rate REQUESTS_PER_SECOND"
        return
    stages = forecast(plan, rate=rate, failing=failing)
    for stage in stages:
        yield from _stage(stage, plan.max_time)
    total = [stage.minimum for stage in stages]
    if any(minimum is None for minimum in total):
        yield "At this traffic a rollout ends INCONCLUSIVE: it only catches disasters."
        yield "  More traffic, a longer max_time or a looser proof (rollout.promote) would change that."
        return
    whole = sum((minimum for minimum in total if minimum is not None), timedelta())
    yield f"A version as good as the champion gets all traffic after about {span(whole)}."


def _often(rate: float) -> str:
    """Return requests per second, or per day where they are too few for that."""
    many, each = (rate, "second") if rate >= 0.1 or rate <= 0 else (rate * 86_400, "day")
    return f"{many:,.3g} request{'' if many == 1 else 's'} per {each}"


def _stage(stage: StageForecast, most: timedelta) -> Iterator[str]:
    lasts = f"more than {span(most)}, its limit" if stage.minimum is None else span(stage.minimum)
    yield f"{stage.name:8s} lasts {lasts}"
    for harm in stage.harms:
        yield f"         {_needed(harm)}"
    for proof in stage.proofs:
        yield f"         {_needed(proof)}"


def _needed(one: Needed) -> str:
    if one.requests is None or one.of_candidate is None:
        return f"{one.what:34s} can't be seen"
    when = "too long for this stage" if one.time is None else f"after {span(one.time)}"
    return f"{one.what:34s} {count(max(1, round(one.of_candidate)), 'canary request')}, {when}"
