"""The words of `detent rollout plan`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from detent.records.project import RolloutPlan
from detent.records.rollout import AB, BANDIT
from detent.rollout.decide import limit_of
from detent.rollout.forecast import LEAST_RATE, Needed, StageForecast, forecast
from detent.rollout.words import count, span

WIDE = 34  # characters of what is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Which numbers somebody typed; the others are of the log."""

    rate: bool
    failing: bool


def plan_lines(
    plan: RolloutPlan, *, rate: float, failing: float, told: Told, labels_within: timedelta
) -> Iterator[str]:
    """Yield the lines: per stage how long it takes, which harm it sees when, and what it proves."""
    fail = f"{failing:.2%} of the champion's requests fail"
    if told.rate == told.failing:
        yield f"{plan.kind}: {_often(rate)}, {fail} ({_source(told.rate)})"
    else:
        yield f"{plan.kind}: {_often(rate)} ({_source(told.rate)}), {fail} ({_source(told.failing)})"
    if plan.kind in (AB, BANDIT):
        yield from _experiment(plan, rate, labels_within)
        return
    if len(plan.stages) == 1:
        yield "no stage comes before all traffic: what passed the gate answers everything, and nothing is shown"
        return
    if rate <= 0:
        yield "without traffic nothing is ever decided: a stage holds until it is inconclusive"
        yield "say what you expect: detent rollout plan --rate REQUESTS_PER_SECOND"
        return
    if failing < LEAST_RATE:
        yield f"harm is reckoned as if {LEAST_RATE:.2%} of them failed: of nothing there is no multiple"
    stages = forecast(plan, rate=rate, failing=failing)
    for stage, planned in zip(stages, plan.stages, strict=False):
        yield from _stage(stage, limit_of(plan, planned))
    if plan.proof.loss is not None:
        waits = f"not reckoned: it waits for labels, {span(labels_within)} and more"
        yield f"         {'proof of no more loss':{WIDE}s} {waits}"
    total = [stage.minimum for stage in stages]
    if any(minimum is None for minimum in total):
        yield "At this traffic a rollout ends INCONCLUSIVE: it only catches disasters."
        yield "  More traffic, a longer max_time or a looser proof (rollout.promote) would change that."
        return
    whole = sum((minimum for minimum in total if minimum is not None), timedelta())
    later = ", or when the labels prove its loss" if plan.proof.loss is not None else ""
    yield f"A version as good as the champion gets all traffic after about {span(whole)}{later}."


def _source(told: bool) -> str:
    return "as told" if told else "lately"


def _experiment(plan: RolloutPlan, rate: float, labels_within: timedelta) -> Iterator[str]:
    trial = plan.experiment
    rows = rate * trial.lasts.total_seconds()
    yield f"runs {span(trial.lasts)}: about {count(round(rows), 'request')}; harm ends it at any time"
    left = trial.lasts - labels_within
    what = "weights begin to move" if plan.kind == BANDIT else "losses are compared"
    if left <= timedelta():
        yield f"NO LABEL COUNTS: monitor.labels_within is {span(labels_within)}, and rollout.lasts is not longer"
    else:
        yield f"{what} after {span(labels_within)} (monitor.labels_within): only older rows count"


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
        return f"{one.what:{WIDE}s} can't be seen"
    when = "too long for this stage" if one.time is None else f"after {span(one.time)}"
    return f"{one.what:{WIDE}s} {count(max(1, round(one.of_candidate)), 'canary request')}, {when}"
