"""The decision about a rollout at one look. Pure: it may be taken after every request, and recomputed years later.

Harm is looked for first and at any time. Only then is time: a stage that lasts too long is called back. Only then is
readiness: a stage advances when it has served long enough and often enough and nothing speaks against it. Missing data
is never a reason to move.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import atanh, sqrt

from detent.records.project import RolloutPlan, Stage
from detent.records.rollout import ADVANCE, FINISH, HOLD, ROLL_BACK, Rollout, Step, Tally
from detent.rollout.shadow import ShadowReport
from detent.statistics.eprocess import failure_evidence, rollback_evidence

ALL = 10_000
# A candidate may fail this many times as often as the champion: a canary answers other requests, and chance is unkind.
TOLERATED_RATIO = 1.25
# Failure rates up to this share never keep a candidate from advancing: the champion's own rate is often exactly 0.
HARMLESS_SHARE = 0.005
# In shadow, failures this much above the champion's share of failures are tolerated before evidence is collected.
SHADOW_SHARE = 0.05
# Scores of a shadow are judged from this many pairs on.
SHADOW_PAIRS = 30
CONSTANT_SD = 1e-9
# A retrained model that ranks like this against its champion has learned the opposite; 3.3 standard errors exclude
# chance.
INVERTED_RANKS = -0.3
INVERTED_ERRORS = 3.3

PROMOTED, ROLLED_BACK, CALLED_BACK, RUNNING = "promoted", "rolled back", "called back", "running"
_INCONCLUSIVE = "Inconclusive"


def decide(
    plan: RolloutPlan,
    rollout: Rollout,
    tallies: Sequence[Tally],
    *,
    stage_requests: int,
    shadow: ShadowReport | None,
    now: datetime,
) -> Step:
    """Say what to do with a running rollout.

    Args:
        plan: its stages grow and end at 10,000 basis points.
        rollout: the rollout as it stands.
        tallies: counts of every stage so far, each with the candidate's weight while they were counted.
        stage_requests: answers of the candidate in the present stage; in a shadow stage, requests that it also saw.
        shadow: the paired answers of the shadow stage; None when there are none.
        now: the moment of the decision.
    """
    if rollout.champion is None:
        reason = f"Version {rollout.candidate} is the first of {rollout.model}: there is nothing to compare it with."
        return Step(action=FINISH, reason=reason, evidence=None)
    stage = plan.stages[rollout.stage]
    counts = _counts(stage, tallies, shadow)
    evidence = rollback_evidence(tallies, tolerated=TOLERATED_RATIO)
    harm = _harm_in_traffic(plan, rollout, tallies, evidence)
    if harm is None and shadow is not None:
        failing = failure_evidence(shadow.errors, shadow.requests, tolerated=_tolerated_in_shadow(shadow))
        evidence = failing if stage.weight == 0 else evidence
        harm = _harm_in_shadow(plan, rollout, shadow, failing)
    if harm is not None:
        return Step(action=ROLL_BACK, reason=harm, evidence=evidence)
    if stage.weight == ALL:
        reason = f"Version {rollout.candidate} passed every stage and answers all requests."
        return Step(action=FINISH, reason=reason, evidence=evidence)
    served = now - datetime.fromisoformat(rollout.stage_since)
    missing = _missing(plan, stage_requests, served, counts)
    if stage.weight == 0 and shadow is None:
        missing.append("nothing is compared with the champion yet")
    if served > plan.max_time:
        return Step(action=ROLL_BACK, reason=_called_back(plan, rollout, stage, served, missing), evidence=evidence)
    if missing:
        reason = f"Version {rollout.candidate} stays at {stage.name}: {', '.join(missing)}."
        return Step(action=HOLD, reason=reason, evidence=evidence)
    reason = (
        f"Version {rollout.candidate} answered {_count(stage_requests, 'request')} in {_span(served)} at {stage.name} "
        f"and {_failures(counts)}: on to {plan.stages[rollout.stage + 1].name}."
    )
    return Step(action=ADVANCE, reason=reason, evidence=evidence)


def state_after(step: Step) -> str:
    """Return the state that a step leaves the rollout in: running, promoted, rolled back or called back."""
    if step.action == ROLL_BACK:
        return CALLED_BACK if step.reason.startswith(_INCONCLUSIVE) else ROLLED_BACK
    return PROMOTED if step.action == FINISH else RUNNING


def _harm_in_traffic(plan: RolloutPlan, rollout: Rollout, tallies: Sequence[Tally], evidence: float) -> str | None:
    if evidence < 1 / plan.alpha:
        return None
    canary = _total([tally for tally in tallies if 0 < tally.weight < ALL])
    return (
        f"Version {rollout.candidate} failed {canary.candidate_errors:,} of "
        f"{_count(canary.candidate_requests, 'request')}, version {rollout.champion} {canary.champion_errors:,} of "
        f"{canary.champion_requests:,}: the evidence that it fails more than {TOLERATED_RATIO} times as often is "
        f"{_odds(evidence)}, and {_odds(1 / plan.alpha)} is enough."
    )


def _tolerated_in_shadow(shadow: ShadowReport) -> float:
    """Both versions saw the same requests, so what makes the champion fail (an outage, broken input) is no evidence."""
    return SHADOW_SHARE + shadow.champion_errors / max(1, shadow.requests)


def _harm_in_shadow(plan: RolloutPlan, rollout: Rollout, shadow: ShadowReport, failing: float) -> str | None:
    who = f"Version {rollout.candidate}"
    if failing >= 1 / plan.alpha:
        return (
            f"{who} failed {shadow.errors:,} of {_count(shadow.requests, 'shadow request')} and version "
            f"{rollout.champion} {shadow.champion_errors:,} of the same: the evidence that it fails more than "
            f"{_tolerated_in_shadow(shadow):.1%} of the time is {_odds(failing)}, and {_odds(1 / plan.alpha)} is "
            f"enough."
        )
    if shadow.pairs < SHADOW_PAIRS or shadow.candidate_sd is None or shadow.champion_sd is None:
        return None
    if shadow.candidate_sd <= CONSTANT_SD < shadow.champion_sd:
        return (
            f"{who} gave one and the same score to {_count(shadow.pairs, 'shadow request')}, to which version "
            f"{rollout.champion} gave different ones (standard deviation {shadow.champion_sd:.3g})."
        )
    if shadow.rank_correlation is not None and _inverted(shadow.rank_correlation, shadow.pairs):
        return (
            f"{who} ranks {_count(shadow.pairs, 'shadow request')} the other way round than version {rollout.champion} "
            f"(rank correlation {shadow.rank_correlation:.2f})."
        )
    return None


def _inverted(correlation: float, pairs: int) -> bool:
    """Fisher's z says how far chance moves a correlation of so many pairs."""
    farthest = atanh(max(correlation, -0.999999)) + INVERTED_ERRORS / sqrt(pairs - 3)
    return correlation <= INVERTED_RANKS and farthest < 0


def _missing(plan: RolloutPlan, requests: int, served: timedelta, counts: Tally) -> list[str]:
    """Name everything that keeps the stage from advancing."""
    missing = []
    if requests < plan.min_requests:
        missing.append(f"{requests:,} of {_count(plan.min_requests, 'request')} answered")
    if served < plan.min_time:
        missing.append(f"{_span(served)} of {_span(plan.min_time)} served")
    share = counts.candidate_errors / max(1, counts.candidate_requests)
    champion_share = counts.champion_errors / max(1, counts.champion_requests)
    if share > max(HARMLESS_SHARE, TOLERATED_RATIO * champion_share):
        missing.append(f"too many failures to go on, too few to be sure ({_failures(counts)})")
    return missing


def _called_back(plan: RolloutPlan, rollout: Rollout, stage: Stage, served: timedelta, missing: list[str]) -> str:
    why = ", ".join(missing) or "nobody looked in time"
    return (
        f"{_INCONCLUSIVE}: version {rollout.candidate} spent {_span(served)} at {stage.name}, {_span(plan.max_time)} "
        f"is the limit ({why}). It is called back; no answer is never a yes."
    )


def _counts(stage: Stage, tallies: Sequence[Tally], shadow: ShadowReport | None) -> Tally:
    """Return both arms' counts over the same time: those at the present weight."""
    if stage.weight == 0 and shadow is not None:
        return Tally(
            weight=0,
            candidate_requests=shadow.requests,
            candidate_errors=shadow.errors,
            champion_requests=shadow.requests,
            champion_errors=shadow.champion_errors,
        )
    return _total([tally for tally in tallies if tally.weight == stage.weight])


def _total(tallies: Sequence[Tally]) -> Tally:
    return Tally(
        weight=tallies[-1].weight if tallies else 0,
        candidate_requests=sum(tally.candidate_requests for tally in tallies),
        candidate_errors=sum(tally.candidate_errors for tally in tallies),
        champion_requests=sum(tally.champion_requests for tally in tallies),
        champion_errors=sum(tally.champion_errors for tally in tallies),
    )


def _failures(counts: Tally) -> str:
    """Say how often both arms failed: "failed 0 of 120 (the champion 3 of 11,880)"."""
    return (
        f"failed {counts.candidate_errors:,} of {counts.candidate_requests:,} "
        f"(the champion {counts.champion_errors:,} of {counts.champion_requests:,})"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _odds(evidence: float) -> str:
    return f"{evidence:,.0f} to 1" if evidence < 1e6 else "over a million to 1"


def _span(span: timedelta) -> str:
    """Write a duration in its largest fitting unit: "36 h", "5 min"."""
    seconds = span.total_seconds()
    for unit, size in (("days", 172_800), ("h", 7200), ("min", 120)):
        if seconds >= size:
            length = seconds / {"days": 86_400, "h": 3600, "min": 60}[unit]
            return f"{length:,.0f} {unit}" if length >= 100 else f"{length:.3g} {unit}"
    return f"{seconds:.3g} s"
