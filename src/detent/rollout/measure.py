"""What the counts of a rollout say, metric by metric. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from detent.records.project import Proof, RolloutPlan
from detent.records.rollout import (
    FAILURES,
    SLOW,
    SLOWER,
    ArmTally,
    Bad,
    Difference,
    Metric,
    Rollout,
    Split,
    Tally,
)
from detent.rollout.shadow import ShadowReport
from detent.statistics.eprocess import (
    cap_evidence,
    ratio_sequence,
    rollback_evidence,
    routing_evidence,
    safety_evidence,
)
from detent.statistics.sequences import LEAST, one_sided_width

ALL = 10_000
# How the chance of a false rollback is shared out. A metric that is not judged leaves its share unused.
SHARES = {FAILURES: 0.5, SLOW: 0.25, SLOWER: 0.25}
# Quality has chances of its own, on top: one for pairs from the shadow, one for arms.
LOSS_SHARE = 0.25
# Odds against the declared weights from which on routing counts as broken.
BROKEN = 1000.0
# The confidence sequence of a mean is narrowest near so many rows.
TUNED_FOR = {"shadow": 2000.0, "arms": 5000.0}
RATIO_ALPHA = 0.05
LARGEST = 1e4  # an unbounded ratio, so that it can be written as JSON


def measure(plan: RolloutPlan, rollout: Rollout, tallies: Sequence[Tally]) -> tuple[Metric, ...]:
    """Return what is known about each kind of bad event of one candidate, from all weights at which both answered."""
    compared = [tally for tally in tallies if 0 < tally.weight < ALL]
    judged = [FAILURES]
    judged += [SLOW] if rollout.slow is not None else []
    judged += [SLOWER] if rollout.slower is not None else []
    return tuple(_metric(plan, name, compared) for name in judged)


def shadow_metric(plan: RolloutPlan, shadow: ShadowReport) -> Metric:
    """Return what a shadow proves about failures: both versions saw the same requests, so only the cap can pass."""
    return Metric(
        name=FAILURES,
        candidate_bad=shadow.errors,
        candidate_requests=shadow.requests,
        champion_bad=shadow.champion_errors,
        champion_requests=shadow.requests,
        harm=1.0,
        alpha=plan.alpha * SHARES[FAILURES],
        safe=cap_evidence(shadow.errors, shadow.requests, cap=plan.proof.failures),
        proof="cap",
        ratio=None,
        low=0.0,
        high=LARGEST,
    )


def bad(arm: ArmTally, name: str) -> Bad:
    """Return the counts of one kind of bad event."""
    return {FAILURES: arm.failures, SLOW: arm.slow, SLOWER: arm.slower}[name]


def caps(proof: Proof) -> dict[str, float]:
    """Return the share of requests below which each kind of bad event is harmless."""
    return {FAILURES: proof.failures, SLOW: proof.slow, SLOWER: proof.slower}


def routing(tallies: Sequence[Tally]) -> float:
    """Return the e-value against "entities reach the arms with the declared weights"."""
    return routing_evidence(
        [
            Split(weight=tally.weight / ALL, candidate=tally.candidate.entities, champion=tally.champion.entities)
            for tally in tallies
        ]
    )


def labels_differ(difference: Difference) -> bool:
    """True when labels reach one arm's rows so much more often that comparing what is labelled would mislead."""
    matured = difference.candidate_matured + difference.champion_matured
    if difference.source == "shadow" or not difference.candidate_matured or not difference.champion_matured:
        return False
    share = difference.candidate_matured / matured
    split = Split(weight=share, candidate=difference.candidate_rows, champion=difference.champion_rows)
    return routing_evidence([split]) >= BROKEN


def judged_difference(difference: Difference) -> bool:
    """True when there are enough rows, and labels arrive alike."""
    enough = min(difference.candidate_rows, difference.champion_rows) >= LEAST
    return enough and not labels_differ(difference)


def width(difference: Difference, *, alpha: float) -> float:
    """Return how far the one-sided confidence sequence lies from the mean difference."""
    return one_sided_width(difference.rows, difference.variance, alpha=alpha, tuned_for=TUNED_FOR[difference.source])


def harm_evidence(plan: RolloutPlan, splits: Sequence[Split]) -> float:
    """Return evidence of harm that an outage in an earlier stage can't bury.

    Half of the bet is on all stages together, the other half on the stages from a later one on, each alike; a stage
    that has not begun stands at 1. A mean of e-processes is one.
    """
    whole = rollback_evidence(splits, tolerated=plan.tolerated)
    later = sum(0 < stage.weight < ALL for stage in plan.stages) - 1
    if later < 1:
        return whole
    restarted = [rollback_evidence(splits[at:], tolerated=plan.tolerated) for at in range(1, len(splits))][:later]
    return 0.5 * whole + 0.5 * (sum(restarted) + later - len(restarted)) / later


def _metric(plan: RolloutPlan, name: str, tallies: Sequence[Tally]) -> Metric:
    splits = [
        Split(
            weight=tally.weight / ALL,
            candidate=bad(tally.candidate, name).independent,
            champion=bad(tally.champion, name).independent,
        )
        for tally in tallies
    ]
    events = sum(bad(tally.candidate, name).events for tally in tallies)
    requests = sum(tally.candidate.requests for tally in tallies)
    # Every bad event counts against the cap: a busy caller's failures are failures.
    capped = cap_evidence(events, requests, cap=caps(plan.proof)[name])
    safe = safety_evidence(splits, ratio=plan.proof.ratio)
    found = ratio_sequence(splits, alpha=RATIO_ALPHA)
    return Metric(
        name=name,
        candidate_bad=events,
        candidate_requests=requests,
        champion_bad=sum(bad(tally.champion, name).events for tally in tallies),
        champion_requests=sum(tally.champion.requests for tally in tallies),
        harm=harm_evidence(plan, splits),
        alpha=plan.alpha * SHARES[name],
        safe=max(capped, safe),
        proof="cap" if capped >= safe else "ratio",
        ratio=found.likely,
        low=found.low,
        high=min(found.high, LARGEST),
    )
