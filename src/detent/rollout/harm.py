"""Reasons to take traffic away from a candidate, or not to trust the split. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import atanh, sqrt

from detent.records.project import RolloutPlan
from detent.records.rollout import Difference, Metric, Rollout, Tally
from detent.rollout.measure import ALL, BROKEN, LOSS_SHARE, judged_difference, routing, width
from detent.rollout.shadow import ShadowReport
from detent.rollout.words import count, odds, times
from detent.statistics.eprocess import failure_evidence

# In shadow, failures this much above the champion's share of failures are tolerated before evidence is collected.
SHADOW_SHARE = 0.05
# Scores of a shadow are judged from this many pairs on.
SHADOW_PAIRS = 30
CONSTANT_SD = 1e-9
# A retrained model that ranks like this against its champion has learned the opposite; 3.3 standard errors exclude
# chance.
INVERTED_RANKS = -0.3
INVERTED_ERRORS = 3.3

BAD = {"failures": "failed", "slow": "were slower than the limit", "slower": "were slower than the champion's p95"}


def harm_in_traffic(
    plan: RolloutPlan, rollout: Rollout, metrics: Sequence[Metric], *, version: int | None = None
) -> str | None:
    """Return why a candidate (the rollout's own, or `version`) must go, by the first metric that proves it, or None."""
    for metric in metrics:
        if metric.harm >= 1 / metric.alpha:
            return (
                f"Version {version or rollout.candidate}: {bad_words(metric, rollout)}. The evidence that this happens "
                f"more than {plan.tolerated:g} times as often is {odds(metric.harm)}, and {odds(1 / metric.alpha)} is "
                f"enough; most likely {times(metric.ratio, metric.low, metric.high)}."
            )
    return None


def harm_in_labels(plan: RolloutPlan, rollout: Rollout, differences: tuple[Difference, ...]) -> str | None:
    """Return why labels say that a candidate must go; None when they don't."""
    for one in differences:
        if one.name != "loss" or not judged_difference(one):
            continue
        lower = one.mean - width(one, alpha=plan.alpha * LOSS_SHARE)
        margin = plan.proof.loss or 0.0
        if lower > margin:
            return (
                f"Version {one.version} answers worse than version {rollout.champion}: its mean loss is {one.mean:.4f} "
                f"higher over {count(one.rows, 'labelled row')}, and at least {lower:.4f} with the certainty asked for."
            )
    return None


def routing_broken(tallies: Sequence[Tally]) -> str | None:
    """Return why the split between a candidate and the champion can't be trusted; None when it can."""
    evidence = routing(tallies)
    if evidence < BROKEN:
        return None
    compared = [tally for tally in tallies if 0 < tally.weight < ALL]
    ours = sum(tally.candidate.entities for tally in compared)
    everyone = ours + sum(tally.champion.entities for tally in compared)
    expected = sum(tally.weight / ALL * (tally.candidate.entities + tally.champion.entities) for tally in compared)
    return (
        f"Routing is broken: version {compared[-1].version} got {ours:,} of {everyone:,} callers and should have got "
        f"about {expected:,.0f} (evidence {odds(evidence)}). Arms that are not split at random can't be compared; "
        f"nothing is promoted. Look for what sends callers past the split, then `detent rollback`."
    )


def _tolerated(shadow: ShadowReport) -> float:
    """Both versions saw the same requests, so what makes the champion fail (an outage, broken input) is no evidence."""
    return SHADOW_SHARE + shadow.champion_errors / max(1, shadow.requests)


def shadow_failing(shadow: ShadowReport) -> float:
    """Return the e-value against "the shadow fails no more than the champion does, and a few per cent"."""
    return failure_evidence(shadow.errors, shadow.requests, tolerated=_tolerated(shadow))


def harm_in_shadow(plan: RolloutPlan, rollout: Rollout, shadow: ShadowReport) -> str | None:
    """Return why a shadow must not go on; None when nothing speaks against it."""
    who, failing = f"Version {rollout.candidate}", shadow_failing(shadow)
    if failing >= 1 / plan.alpha:
        return (
            f"{who} failed {shadow.errors:,} of {count(shadow.requests, 'shadow request')} and version "
            f"{rollout.champion} {shadow.champion_errors:,} of the same: the evidence that it fails more than "
            f"{_tolerated(shadow):.1%} of the time is {odds(failing)}, and {odds(1 / plan.alpha)} is enough."
        )
    if shadow.pairs < SHADOW_PAIRS or shadow.candidate_sd is None or shadow.champion_sd is None:
        return None
    if shadow.candidate_sd <= CONSTANT_SD < shadow.champion_sd:
        return (
            f"{who} gave one and the same score to {count(shadow.pairs, 'shadow request')}, to which version "
            f"{rollout.champion} gave different ones (standard deviation {shadow.champion_sd:.3g})."
        )
    if shadow.rank_correlation is not None and _inverted(shadow.rank_correlation, shadow.pairs):
        return (
            f"{who} ranks {count(shadow.pairs, 'shadow request')} the other way round than version {rollout.champion} "
            f"(rank correlation {shadow.rank_correlation:.2f})."
        )
    return None


def _inverted(correlation: float, pairs: int) -> bool:
    """Fisher's z says how far chance moves a correlation of so many pairs."""
    farthest = atanh(max(correlation, -0.999999)) + INVERTED_ERRORS / sqrt(pairs - 3)
    return correlation <= INVERTED_RANKS and farthest < 0


def bad_words(metric: Metric, rollout: Rollout) -> str:
    """Say how often: "6 of 6 requests failed, 0 of 600 of version 3"."""
    return (
        f"{metric.candidate_bad:,} of {count(metric.candidate_requests, 'request')} {BAD[metric.name]}, "
        f"{metric.champion_bad:,} of {metric.champion_requests:,} of version {rollout.champion}"
    )
