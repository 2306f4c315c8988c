"""The decision about a rollout at one look. Pure: it may be taken after every request, and recomputed years later.

Harm is looked for first and at any time. Then whether requests still reach the arms as declared. Then time: a stage
that lasts too long is inconclusive and never a yes. Only then readiness: a stage advances when it has served long
enough, often enough and different callers, and to all traffic only on positive evidence. Missing data is never a reason
to move.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from detent.records.project import Proof, RolloutPlan, Stage
from detent.records.rollout import (
    ADVANCE,
    CALLED_BACK,
    CONCLUDE,
    CONCLUDED,
    FINISH,
    HOLD,
    INCONCLUSIVE,
    PROMOTED,
    ROLL_BACK,
    ROLLED_BACK,
    ROUTING_BROKEN,
    RUNNING,
    Difference,
    Metric,
    Rollout,
    Step,
    Tally,
)
from detent.rollout.harm import (
    bad_words,
    harm_in_labels,
    harm_in_shadow,
    harm_in_traffic,
    routing_broken,
    shadow_failing,
)
from detent.rollout.look import Look
from detent.rollout.measure import ALL, caps, judged_difference, labels_differ, measure, shadow_metric, width
from detent.rollout.words import NAMES, count, odds, span

# Odds of harm that keep a stage from advancing before they are enough to roll back, where it is above its cap.
DOUBT = 5.0


def decide(plan: RolloutPlan, rollout: Rollout, look: Look, *, now: datetime) -> Step:
    """Say what to do with a running canary or blue-green rollout.

    Args:
        plan: its stages grow and end at 10,000 basis points.
        rollout: the rollout as it stands.
        look: what was seen until `now`.
        now: the moment of the decision.
    """
    if rollout.champion is None:
        reason = f"Version {rollout.candidate} is the first of {rollout.model}: there is nothing to compare it with."
        return Step(action=FINISH, reason=reason, evidence=None)
    stage = plan.stages[rollout.stage]
    metrics = measure(plan, rollout, look.tallies)
    evidence = max(metric.harm for metric in metrics)
    harm = harm_in_traffic(plan, rollout, metrics) or harm_in_labels(plan, rollout, look.differences)
    if harm is None and look.shadow is not None:
        evidence = shadow_failing(look.shadow) if stage.weight == 0 else evidence
        harm = harm_in_shadow(plan, rollout, look.shadow)
    if harm is not None:
        return Step(action=ROLL_BACK, reason=harm, evidence=evidence, metrics=metrics)
    broken = routing_broken(look.tallies)
    if broken is not None:
        return Step(action=HOLD, reason=broken, evidence=evidence, metrics=metrics, alarm=ROUTING_BROKEN)
    if stage.weight == ALL:
        reason = f"Version {rollout.candidate} passed every stage and answers all requests."
        return Step(action=FINISH, reason=reason, evidence=evidence, metrics=metrics)
    return _time_and_readiness(plan, rollout, look, metrics, evidence, now=now)


def limit_of(plan: RolloutPlan, stage: Stage) -> timedelta:
    """Return how long a stage may last before it is inconclusive: a time of its own comes on top."""
    return plan.max_time + (stage.lasts or timedelta())


def state_after(step: Step) -> str:
    """Return the state that a step leaves the rollout in."""
    if step.action == ROLL_BACK:
        return CALLED_BACK if step.alarm == INCONCLUSIVE else ROLLED_BACK
    return {FINISH: PROMOTED, CONCLUDE: CONCLUDED}.get(step.action, RUNNING)


def _time_and_readiness(
    plan: RolloutPlan, rollout: Rollout, look: Look, metrics: tuple[Metric, ...], evidence: float, *, now: datetime
) -> Step:
    stage = plan.stages[rollout.stage]
    served = now - datetime.fromisoformat(rollout.stage_since)
    missing = _missing(plan, rollout, look, metrics, served=served)
    if served > limit_of(plan, stage):
        return _inconclusive(plan, rollout, stage, served, missing, metrics, evidence)
    if missing:
        reason = f"Version {rollout.candidate} stays at {stage.name}: {', '.join(missing)}."
        return Step(action=HOLD, reason=reason, evidence=evidence, metrics=metrics)
    requests = stage_requests(plan, rollout, look)
    reason = (
        f"Version {rollout.candidate} answered {count(requests, 'request')} in {span(served)} at {stage.name} and "
        f"{_failures(stage, look)}: on to {plan.stages[rollout.stage + 1].name}."
    )
    return Step(action=ADVANCE, reason=reason, evidence=evidence, metrics=metrics)


def stage_requests(plan: RolloutPlan, rollout: Rollout, look: Look) -> int:
    """Return the candidate's answers in the present stage; in a shadow stage, requests that it also saw."""
    weight = plan.stages[rollout.stage].weight
    if weight == 0:
        return look.shadow.requests if look.shadow else 0
    return sum(tally.candidate.requests for tally in look.tallies if tally.weight == weight)


def _missing(
    plan: RolloutPlan, rollout: Rollout, look: Look, metrics: tuple[Metric, ...], *, served: timedelta
) -> list[str]:
    """Name everything that keeps the stage from advancing."""
    stage, missing = plan.stages[rollout.stage], []
    harmless = caps(Proof())  # a plan that asks for less proof does not make doubts smaller
    requests, least = stage_requests(plan, rollout, look), stage.lasts or plan.min_time
    if stage.weight == 0 and look.shadow is None:
        missing.append("nothing is compared with the champion yet")
    if requests < plan.min_requests:
        missing.append(f"{requests:,} of {count(plan.min_requests, 'request')} answered")
    if look.entities < plan.min_entities and stage.weight:
        missing.append(f"{look.entities:,} of {count(plan.min_entities, 'caller')} seen")
    if served < least:
        missing.append(f"{span(served)} of {span(least)} served")
    missing += [
        f"too much to go on, too little to be sure: {bad_words(metric, rollout)}"
        for metric in metrics
        if metric.harm >= DOUBT and metric.candidate_bad > harmless[metric.name] * metric.candidate_requests
    ]
    if plan.stages[rollout.stage + 1].weight == ALL:
        proving = (shadow_metric(plan, look.shadow),) if stage.weight == 0 and look.shadow else metrics
        missing += _unproved(plan, proving, look.differences)
    return missing


def _unproved(plan: RolloutPlan, metrics: tuple[Metric, ...], differences: tuple[Difference, ...]) -> list[str]:
    """Name what is not yet shown: all traffic is given on positive evidence only."""
    proof, enough, limits = plan.proof, 1 / plan.proof.alpha, caps(plan.proof)
    missing = [
        f"{NAMES[metric.name]} not yet shown to be below {limits[metric.name] * 100:.3g}% of requests or "
        f"{proof.ratio:g} times the champion's (the odds are {odds(metric.safe)}, {odds(enough)} is enough)"
        for metric in metrics
        if metric.safe < enough
    ]
    if proof.loss is None:
        return missing
    losses = [one for one in differences if one.name == "loss"]
    half = proof.alpha / 2  # pairs and arms: two chances to pass
    if any(labels_differ(one) for one in losses):
        missing.append("labels do not arrive alike for both versions, so their quality can't be compared")
    elif not any(judged_difference(one) and one.mean + width(one, alpha=half) < proof.loss for one in losses):
        missing.append(f"mean loss not yet shown to be at most {proof.loss:g} higher")
    return missing


def _inconclusive(
    plan: RolloutPlan,
    rollout: Rollout,
    stage: Stage,
    served: timedelta,
    missing: list[str],
    metrics: tuple[Metric, ...],
    evidence: float,
) -> Step:
    why = ", ".join(missing) or "nobody looked in time"
    called_back = plan.on_timeout == "rollback"
    then = (
        "It is called back, as rollout.on_timeout says"
        if called_back
        else f"It stays at {stage.name} until somebody decides (`detent rollout extend` or `detent rollback`)"
    )
    reason = (
        f"Inconclusive: version {rollout.candidate} spent {span(served)} at {stage.name}, "
        f"{span(limit_of(plan, stage))} is the limit ({why}). {then}; no answer is never a yes."
    )
    action = ROLL_BACK if called_back else HOLD
    return Step(action=action, reason=reason, evidence=evidence, metrics=metrics, alarm=INCONCLUSIVE)


def _failures(stage: Stage, look: Look) -> str:
    """Say how often both arms failed at the present weight: "failed 0 of 120 (the champion 3 of 11,880)"."""
    if stage.weight == 0 and look.shadow is not None:
        seen = look.shadow
        ours, theirs, requests, others = seen.errors, seen.champion_errors, seen.requests, seen.requests
    else:
        here: list[Tally] = [tally for tally in look.tallies if tally.weight == stage.weight]
        ours = sum(tally.candidate.failures.events for tally in here)
        theirs = sum(tally.champion.failures.events for tally in here)
        requests = sum(tally.candidate.requests for tally in here)
        others = sum(tally.champion.requests for tally in here)
    return f"failed {ours:,} of {requests:,} (the champion {theirs:,} of {others:,})"
