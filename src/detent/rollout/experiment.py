"""A/B tests and bandits: several versions answer side by side until a fixed day. Pure.

Harm still takes a version out at once. Nothing is promoted: the end is a report, and a person deploys the winner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from detent.records.project import RolloutPlan
from detent.records.rollout import (
    BANDIT,
    CONCLUDE,
    HOLD,
    REWEIGHT,
    ROLL_BACK,
    ROUTING_BROKEN,
    Difference,
    Metric,
    Reward,
    Rollout,
    Split,
    Step,
    Tally,
)
from detent.records.route import Arm
from detent.rollout.harm import harm_in_labels, harm_in_traffic, routing_broken
from detent.rollout.look import Look
from detent.rollout.measure import ALL, BROKEN, TUNED_FOR, labels_differ, measure
from detent.rollout.words import count, span
from detent.statistics.eprocess import routing_evidence
from detent.statistics.sequences import LEAST, two_sided_width
from detent.statistics.thompson import Rewards, basis_points, best_chances, floored, top_two

REPORT_ALPHA = 0.05
UNITS = {"loss": "mean loss", "failures": "share of failures", "seconds": "mean service time in seconds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was seen of one candidate."""

    version: int
    metrics: tuple[Metric, ...]
    harm: str | None
    broken: str | None


def first_arms(plan: RolloutPlan, champion: int, candidates: Sequence[int]) -> tuple[Arm, ...]:
    """Return the arms of a new A/B test (candidates share `split` equally) or bandit (all alike), champion first."""
    if plan.kind == BANDIT:
        shares = basis_points([1 / (len(candidates) + 1)] * (len(candidates) + 1))
        numbers = (champion, *candidates)
        return tuple(Arm(version=number, weight=share) for number, share in zip(numbers, shares, strict=True))
    each = plan.experiment.split // len(candidates)
    rivals = tuple(Arm(version=number, weight=each) for number in candidates)
    return (Arm(version=champion, weight=ALL - each * len(candidates)), *rivals)


def decide_experiment(plan: RolloutPlan, rollout: Rollout, look: Look, *, now: datetime) -> Step:
    """Say what to do with a running A/B test or bandit: take a harmful arm out, reweight, wait, or conclude."""
    seen = [_see(plan, rollout, look, arm.version) for arm in rollout.arms if arm.version != rollout.champion]
    metrics = tuple(metric for one in seen for metric in one.metrics)
    evidence = max((metric.harm for metric in metrics), default=1.0)

    def step(action: str, reason: str, *, alarm: str = "", arms: tuple[Arm, ...] = ()) -> Step:
        return Step(action=action, reason=reason, evidence=evidence, metrics=metrics, alarm=alarm, arms=arms)

    harmed = next((one for one in seen if one.harm is not None), None)
    if harmed is not None:
        left = _without(rollout, harmed.version)
        if len(left) == 1:
            return step(ROLL_BACK, f"{harmed.harm}")
        return step(REWEIGHT, f"{harmed.harm} It takes no more traffic; the others go on.", arms=left)
    broken = next((one.broken for one in seen if one.broken is not None), None)
    if broken is not None:
        return step(HOLD, broken, alarm=ROUTING_BROKEN)
    ran = now - datetime.fromisoformat(rollout.started_at)
    if ran >= plan.experiment.lasts:
        return step(CONCLUDE, _conclusion(rollout, look, ran))
    if rollout.kind == BANDIT:
        reason, arms = _bandit(plan, rollout, look, now=now)
        return step(REWEIGHT if arms else HOLD, reason, arms=arms)
    return step(HOLD, f"{span(ran)} of {span(plan.experiment.lasts)} served. {_report(look.differences)}")


def _see(plan: RolloutPlan, rollout: Rollout, look: Look, version: int) -> _Seen:
    tallies: list[Tally] = [tally for tally in look.tallies if tally.version == version]
    metrics = measure(plan, rollout, tallies)
    differences = tuple(one for one in look.differences if one.version == version)
    return _Seen(
        version=version,
        metrics=metrics,
        harm=harm_in_traffic(plan, rollout, metrics, version=version) or harm_in_labels(plan, rollout, differences),
        broken=routing_broken(tallies),
    )


def _without(rollout: Rollout, version: int) -> tuple[Arm, ...]:
    """Give an arm's share to the champion, which is the one known to be good."""
    gone = next(arm.weight for arm in rollout.arms if arm.version == version)
    return tuple(
        Arm(version=arm.version, weight=arm.weight + (gone if arm.version == rollout.champion else 0))
        for arm in rollout.arms
        if arm.version != version
    )


def _bandit(plan: RolloutPlan, rollout: Rollout, look: Look, *, now: datetime) -> tuple[str, tuple[Arm, ...]]:
    """Say why weights stay (and give no arms), or which weights follow from enough matured rewards."""
    waited = now - datetime.fromisoformat(rollout.stage_since)
    by_version = {reward.version: reward for reward in look.rewards}
    known = [by_version[arm.version] for arm in rollout.arms if arm.version in by_version]
    least = min((reward.rewarded for reward in known), default=0) if len(known) == len(rollout.arms) else 0
    if least < plan.experiment.min_rewards:
        return f"{least:,} of {count(plan.experiment.min_rewards, 'matured reward')} per arm are in.", ()
    if waited < plan.experiment.every:
        return f"Weights changed {span(waited)} ago. {_values(look.rewards)}", ()
    if _rewards_differ(known):
        return "Labels do not arrive alike for all arms, so their rewards can't be compared.", ()
    chances = best_chances(
        [Rewards(count=one.count, total=one.total, squares=one.squares, binary=one.binary) for one in known],
        seed=look.route_seq,
    )
    weights = basis_points(floored(top_two(chances), floor=plan.experiment.floor))
    arms = tuple(Arm(version=arm.version, weight=weight) for arm, weight in zip(rollout.arms, weights, strict=True))
    if arms == rollout.arms:
        return f"The weights fit. {_values(look.rewards)}", ()
    shares = ", ".join(f"version {arm.version} {arm.weight / 100:g} %" for arm in arms)
    return f"{_values(look.rewards)} From now on: {shares}.", arms


def _rewards_differ(rewards: Sequence[Reward]) -> bool:
    """True when labels reach one arm much more often than the others."""
    for reward in rewards:
        matured = sum(other.matured for other in rewards)
        rewarded = sum(other.rewarded for other in rewards)
        split = Split(weight=reward.matured / matured, candidate=reward.rewarded, champion=rewarded - reward.rewarded)
        if routing_evidence([split]) >= BROKEN:
            return True
    return False


def _conclusion(rollout: Rollout, look: Look, ran: timedelta) -> str:
    found = _values(look.rewards) if rollout.kind == BANDIT else _report(look.differences)
    return (
        f"The test ran {span(ran)}. {found} Version {rollout.champion} answers everything again; nothing is promoted: "
        f"the version to keep is yours to choose (`detent deploy`)."
    )


def _report(differences: Sequence[Difference]) -> str:
    """Write each difference with its two-sided 95 % confidence sequence."""
    return " ".join(_sentence(one) for one in differences) or "Nothing can be compared yet."


def _sentence(one: Difference) -> str:
    what = f"Version {one.version}, {UNITS[one.name]}:"
    if labels_differ(one):
        return f"{what} labels do not arrive alike for both versions, so this can't be compared."
    if min(one.candidate_rows, one.champion_rows) < LEAST:
        return f"{what} {min(one.candidate_rows, one.champion_rows):,} of {LEAST} rows per arm are in."
    if one.variance == 0:
        return f"{what} the same in all {one.rows:,} rows, no difference shown."
    half = two_sided_width(one.rows, one.variance, alpha=REPORT_ALPHA, tuned_for=TUNED_FOR[one.source])
    verdict = "no difference shown" if abs(one.mean) <= half else "worse" if one.mean > 0 else "better"
    return f"{what} {one.mean:+.4g} (95 %: {one.mean - half:+.4g} to {one.mean + half:+.4g}), {verdict}."


def _values(rewards: Sequence[Reward]) -> str:
    told = [
        f"version {one.version} {one.value:.4g} +- {1.96 * one.error:.2g}"
        for one in rewards
        if one.value is not None and one.error is not None
    ]
    return f"Mean reward if an arm answered everybody: {', '.join(told)}." if told else "No rewards are in yet."
