"""Evidence that may be looked at after every request: e-processes from counters only.

An e-process starts at 1 and, while the null hypothesis holds, is a non-negative supermartingale; so the chance that it
ever reaches 1/alpha is at most alpha (Ville's inequality), however often one looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from detent.records.rollout import Split

# Failure ratios the mixture bets on, as multiples of the tolerated ratio: from "a little worse" to "totally broken".
RATIOS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0)
# Failure ratios that evidence of safety bets on; those below the ratio that is to be ruled out count.
SAFE_RATIOS = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.2)
# Failure rates that evidence of a rate below a cap bets on, as shares of the cap.
FALLS = (0.02, 0.1, 0.25, 0.5, 0.75)
# Failure rates the absolute test bets on: this share of the way from the tolerated rate to 1.
RISES = (0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.95)
# Weight of the declared shares in the sample-ratio test, in requests.
CONCENTRATION = 100.0
# The largest e-value given back: beyond it nothing changes, and infinity can't be written as JSON.
CAP = 1e300
# Ratios that a confidence sequence tries.
_TRIED = np.geomspace(1e-3, 1e4, 1401)


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioSequence:
    """What counts say about how many times as often something happens to the candidate."""

    likely: float | None  # most likely ratio; None without events
    low: float  # confidence sequence: covers the true ratio at all times at once
    high: float


def rollback_evidence(splits: Sequence[Split], *, tolerated: float = 1.25) -> float:
    """Return the e-value against "the candidate fails at most `tolerated` times as often as the champion".

    When requests are assigned at random with the weight `w`, a failure belongs to the candidate with probability `w r /
    (w r + 1 - w)` if it fails `r` times as often, *whatever the common failure rate is and however it moves*: a shared
    outage is no evidence. The likelihood ratio of each `r = tolerated * RATIOS` against `r = tolerated` is a
    supermartingale for every true ratio up to `tolerated`, and so is their mean. It is the binomial case of Lindon and
    Malek (2022). At weight 0 (shadow) and at 1 there is nothing to compare with, so those counts are left out.

    Requests of one caller that always fails are not independent; whoever counts caps the failures of an entity.

    Returns:
        The e-value: 1 for no evidence; at least 1/alpha is a reason to roll back. Capped at 1e300.
    """
    return _ratio_evidence(splits, null=tolerated, bets=tolerated * np.array(RATIOS))


def safety_evidence(splits: Sequence[Split], *, ratio: float = 1.5) -> float:
    """Return the e-value against "the candidate fails at least `ratio` times as often as the champion".

    The same mixture as `rollback_evidence`, betting on ratios below `ratio` instead. At least 1/alpha is positive
    evidence that the candidate is not inferior.
    """
    return _ratio_evidence(splits, null=ratio, bets=np.array([safe for safe in SAFE_RATIOS if safe < ratio]))


def cap_evidence(bad: float, requests: float, *, cap: float) -> float:
    """Return the e-value against "at least the share `cap` of requests is bad", from one arm alone.

    The mean of the likelihood ratios of the rates `cap * FALLS` against `cap`. It proves what the ratio can't: that a
    candidate is good enough when neither arm fails at all. 0.5 % takes 780 requests without a failure at alpha 0.05.
    """
    if requests == 0:
        return 1.0
    rates = cap * np.array(FALLS)
    logs = bad * np.log(rates / cap) + (requests - bad) * (np.log1p(-rates) - np.log1p(-cap))
    return _mean_of_exponentials(logs)


def failure_evidence(failures: int, requests: int, *, tolerated: float) -> float:
    """Return the e-value against "at most the share `tolerated` of requests fails", from one arm alone.

    The likelihood ratio `(p/t)^failures ((1-p)/(1-t))^rest` of each rate `p > t` is a supermartingale for every true
    rate up to `t`; the mean over `RISES` is returned. A tolerated share of 1 or more can't be exceeded: 1. Capped at
    1e300.
    """
    if tolerated >= 1 or requests == 0:
        return 1.0
    rates = tolerated + (1 - tolerated) * np.array(RISES)
    logs = failures * np.log(rates / tolerated) + (requests - failures) * np.log((1 - rates) / (1 - tolerated))
    return _mean_of_exponentials(logs)


def ratio_sequence(splits: Sequence[Split], *, alpha: float = 0.05) -> RatioSequence:
    """Return the most likely ratio of failure rates and a confidence sequence for it.

    A ratio stays in the sequence while the mixture of likelihoods over 0.001 .. 10,000 (uniform in its logarithm)
    beats its own likelihood less than 1/alpha times. Without events everything is possible.
    """
    compared = _compared(splits)
    if not any(split.candidate + split.champion for split in compared):
        return RatioSequence(likely=None, low=0.0, high=float("inf"))
    logs = _logs(compared, _TRIED)
    peak = float(logs.max())
    mixture = peak + float(np.log(np.mean(np.exp(logs - peak))))
    kept = _TRIED[logs > mixture + np.log(alpha)]
    return RatioSequence(
        likely=float(_TRIED[int(np.argmax(logs))]),
        low=0.0 if kept[0] == _TRIED[0] else float(kept[0]),
        high=float("inf") if kept[-1] == _TRIED[-1] else float(kept[-1]),
    )


def routing_evidence(splits: Sequence[Split]) -> float:
    """Return the e-value against "requests reach the arms with the declared weights".

    `candidate` and `champion` of a split are independently assigned units (new entities, not requests: one busy caller
    is no broken route). At each weight the Dirichlet prior with `CONCENTRATION` times the declared shares is compared
    with the declared shares themselves; the product over weights is returned (Lindon and Malek 2022).
    """
    log = 0.0
    for split in _compared(splits):
        counts = np.array([split.candidate, split.champion], dtype=np.float64)
        shares = np.array([split.weight, 1 - split.weight])
        prior = CONCENTRATION * shares
        log += float(
            gammaln(CONCENTRATION)
            - gammaln(CONCENTRATION + counts.sum())
            + (gammaln(prior + counts) - gammaln(prior) - counts * np.log(shares)).sum()
        )
    return float(np.exp(min(log, np.log(CAP))))


def _ratio_evidence(splits: Sequence[Split], *, null: float, bets: np.ndarray) -> float:
    compared = _compared(splits)
    return _mean_of_exponentials(_logs(compared, bets) - _logs(compared, np.array([null])))


def _compared(splits: Sequence[Split]) -> list[Split]:
    return [split for split in splits if 0 < split.weight < 1]


def _logs(splits: Sequence[Split], ratios: np.ndarray) -> np.ndarray:
    """Return the log likelihood of each ratio, given that the events happened."""
    weight = np.array([split.weight for split in splits])
    ours = np.array([split.candidate for split in splits], dtype=np.float64)
    theirs = np.array([split.champion for split in splits], dtype=np.float64)
    odds = ratios[:, np.newaxis] * weight
    total = np.log(odds + 1 - weight)
    return (ours * (np.log(odds) - total) + theirs * (np.log(1 - weight) - total)).sum(axis=1)


def _mean_of_exponentials(logs: np.ndarray) -> float:
    """Average in log space: single terms pass 1e308 long before the mean means anything else."""
    peak = float(logs.max())
    log_mean = peak + float(np.log(np.mean(np.exp(logs - peak))))
    return float(np.exp(min(log_mean, np.log(CAP))))
