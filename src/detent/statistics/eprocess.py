"""Evidence that may be looked at after every request: e-processes from counters only.

An e-process starts at 1 and, while the null hypothesis holds, is a non-negative supermartingale; so the chance that it
ever reaches 1/alpha is at most alpha (Ville's inequality), however often one looks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detent.records.rollout import Tally

# Failure ratios the mixture bets on, as multiples of the tolerated ratio: from "a little worse" to "totally broken".
RATIOS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0)
# Failure rates the absolute test bets on: this share of the way from the tolerated rate to 1.
RISES = (0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.95)
# The largest e-value given back: beyond it nothing changes, and infinity can't be written as JSON.
CAP = 1e300
ALL = 10_000


def rollback_evidence(tallies: Sequence[Tally], *, tolerated: float = 1.25) -> float:
    """Return the e-value against "the candidate fails at most `tolerated` times as often as the champion".

    When requests are assigned at random with the weight `w` (basis points / 10,000), a failure belongs to the candidate
    with probability `w r / (w r + 1 - w)` if it fails `r` times as often, *whatever the common failure rate is and
    however it moves*: a shared outage is no evidence. The likelihood ratio of each `r = tolerated * RATIOS` against `r
    = tolerated` is a supermartingale for every true ratio up to `tolerated`, and so is their mean. It is the binomial
    case of Lindon and Malek (2022). At weight 0 (shadow) and at 10,000 there is nothing to compare with, so those
    tallies count for nothing.

    Requests of one caller that always fails are not independent; assignment by entity makes such callers heavier.

    Returns:
        The e-value: 1 for no evidence; at least 1/alpha is a reason to roll back. Capped at 1e300.
    """
    compared = [tally for tally in tallies if 0 < tally.weight < ALL]
    weight = np.array([tally.weight / ALL for tally in compared])
    failed = np.array([tally.candidate_errors for tally in compared], dtype=np.float64)
    champion_failed = np.array([tally.champion_errors for tally in compared], dtype=np.float64)
    ratios = tolerated * np.array(RATIOS)[:, np.newaxis]
    bet, null = _share(ratios, weight), _share(np.array(tolerated), weight)
    logs = (failed * np.log(bet / null) + champion_failed * np.log((1 - bet) / (1 - null))).sum(axis=1)
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


def _share(ratio: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the chance that a failure is the candidate's, given how many times as often it fails."""
    return weight * ratio / (weight * ratio + 1 - weight)


def _mean_of_exponentials(logs: np.ndarray) -> float:
    """Average in log space: single terms pass 1e308 long before the mean means anything else."""
    peak = float(logs.max())
    log_mean = peak + float(np.log(np.mean(np.exp(logs - peak))))
    return float(np.exp(min(log_mean, np.log(CAP))))
