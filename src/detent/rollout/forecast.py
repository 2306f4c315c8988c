"""How long a rollout will take to decide, from traffic and the formulae of the decision itself. Pure.

Counts are replaced by their expectations, as if nothing were left to chance. Most rollouts are faster: by up to a third
in simulations, for evidence also grows by luck.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from detent.records.project import RolloutPlan, Stage
from detent.records.rollout import FAILURES, SLOW, SLOWER, Split
from detent.rollout.decide import limit_of
from detent.rollout.measure import ALL, SHARES, caps, harm_evidence
from detent.statistics.eprocess import cap_evidence, safety_evidence

MOST = 1e9  # requests; beyond it the answer is "never"
# What a canary may do wrong: (words, share of its requests that fail, given the champion's).
_HARMS = (
    ("every request fails", None),
    ("5 times the champion's failures", 5.0),
    ("twice the champion's failures", 2.0),
)
LEAST_RATE = 0.001  # the champion's share of failures that is assumed when none was seen
ABOVE_P95 = 0.05  # share of answers that are above the champion's p95 when nothing has become slower
_PROOFS = {
    FAILURES: "proof of no more failures",
    SLOW: "proof of no more slow answers",
    SLOWER: "proof of being no slower",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What it takes to see something."""

    what: str
    requests: float | None  # of all callers together; None: never
    of_candidate: float | None
    time: timedelta | None  # None: longer than the stage may last


@dataclass(frozen=True, slots=True, kw_only=True)
class StageForecast:
    """What a stage can show before it ends."""

    name: str
    weight: int
    minimum: timedelta | None  # until it may advance when all goes well; None: it never will
    harms: tuple[Needed, ...]
    proofs: tuple[Needed, ...]  # positive evidence, one of each kind, where the stage needs it


def forecast(plan: RolloutPlan, *, rate: float, failing: float) -> tuple[StageForecast, ...]:
    """Return what each stage below all traffic can show, of a version that is as good as the champion where it counts.

    No answer is taken to be beyond the limit of `slow`, and 5 % to be above the champion's p95: by definition.

    Args:
        plan: of a canary or a blue-green rollout.
        rate: requests per second.
        failing: the champion's share of failures.
    """
    share = max(failing, LEAST_RATE)
    stages = []
    for at, stage in enumerate(plan.stages[:-1]):
        last = at == len(plan.stages) - 2
        harms = tuple(_harm(plan, stage, rate, share, *harm) for harm in _HARMS) if stage.weight else ()
        proofs = _proofs(plan, stage, rate, failing) if last else ()
        stages.append(
            StageForecast(
                name=stage.name,
                weight=stage.weight,
                minimum=_minimum(plan, stage, rate, proofs),
                harms=harms,
                proofs=proofs,
            )
        )
    return tuple(stages)


def _minimum(plan: RolloutPlan, stage: Stage, rate: float, proofs: tuple[Needed, ...]) -> timedelta | None:
    least, most = stage.lasts or plan.min_time, limit_of(plan, stage)
    own = rate * _seen_share(stage)
    seconds = max(least.total_seconds(), plan.min_requests / own if own else MOST)
    seconds = max([seconds, *(MOST if proof.time is None else proof.time.total_seconds() for proof in proofs)])
    return None if seconds > most.total_seconds() else timedelta(seconds=seconds)


def _harm(plan: RolloutPlan, stage: Stage, rate: float, share: float, what: str, ratio: float | None) -> Needed:
    w, rates = stage.weight / ALL, (1.0 if ratio is None else min(1.0, ratio * share), share)
    level = 1 / (plan.alpha * SHARES["failures"])

    def reached(requests: float) -> bool:
        split = _expected(w, requests, rates)
        return harm_evidence(plan, [split]) >= level

    return _needed(plan, stage, what, _first(reached), rate)


def _proofs(plan: RolloutPlan, stage: Stage, rate: float, failing: float) -> tuple[Needed, ...]:
    """Return what each metric takes that will be judged; a shadow is judged by its failures alone."""
    shares = {FAILURES: failing}
    if stage.weight:
        shares |= {} if plan.slow is None else {SLOW: 0.0}
        shares |= {} if plan.slower is None else {SLOWER: ABOVE_P95}
    return tuple(_proof(plan, stage, rate, name, share) for name, share in shares.items())


def _proof(plan: RolloutPlan, stage: Stage, rate: float, name: str, share: float) -> Needed:
    """Take the faster of ratio and cap for a candidate that is as good as the champion."""
    w, level = _seen_share(stage), 1 / plan.proof.alpha

    def reached(requests: float) -> bool:
        capped = _expected_cap(share, requests * w, caps(plan.proof)[name])
        if capped >= level or not stage.weight:
            return capped >= level
        return safety_evidence([_expected(w, requests, (share, share))], ratio=plan.proof.ratio) >= level

    return _needed(plan, stage, _PROOFS[name], _first(reached), rate)


def _needed(plan: RolloutPlan, stage: Stage, what: str, requests: float | None, rate: float) -> Needed:
    seconds = requests / rate if requests is not None and rate > 0 else MOST
    return Needed(
        what=what,
        requests=requests,
        of_candidate=None if requests is None else requests * _seen_share(stage),
        time=None if seconds > limit_of(plan, stage).total_seconds() else timedelta(seconds=seconds),
    )


def _seen_share(stage: Stage) -> float:
    """Return the share of requests that the candidate answers; a shadow sees them all."""
    return stage.weight / ALL if stage.weight else 1.0


def _expected(weight: float, requests: float, rates: tuple[float, float]) -> Split:
    """Return expected counts; the e-values take them though they are not whole."""
    ours, theirs = requests * weight * rates[0], requests * (1 - weight) * rates[1]
    return Split(weight=weight, candidate=ours, champion=theirs)


def _expected_cap(failing: float, requests: float, cap: float) -> float:
    return cap_evidence(requests * failing, requests, cap=cap)


def _first(reached: Callable[[float], bool]) -> float | None:
    """Return the smallest number of requests at which evidence suffices, within 1 %; None when it never does."""
    high = 1.0
    while not reached(high):
        high *= 2
        if high > MOST:
            return None
    low = high / 2
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
