"""Weights for a bandit in batches: top-two Thompson sampling with additive floors, and honest estimates afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

DRAWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewards:
    """What an arm earned: discounted sums, so `count` need not be whole."""

    count: float
    total: float
    squares: float
    binary: bool  # every reward is 0 or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Estimated mean reward if the arm answered everybody, with its standard error."""

    mean: float
    error: float


def discounted(rewards: ArrayLike, ages: ArrayLike, *, half_life: float) -> Rewards:
    """Sum up rewards (rows,), each counting half as much for every `half_life` of its age (rows,), same unit."""
    values, weights = np.asarray(rewards, dtype=np.float64), 0.5 ** (np.asarray(ages, dtype=np.float64) / half_life)
    return Rewards(
        count=float(weights.sum()),
        total=float((weights * values).sum()),
        squares=float((weights * values**2).sum()),
        binary=bool(np.isin(values, (0.0, 1.0)).all()),
    )


def best_chances(arms: Sequence[Rewards], *, seed: int) -> list[float]:
    """Return each arm's chance to have the highest mean reward: Beta(1, 1) prior for 0/1 rewards, else a flat one.

    Arms share the Beta model only if all their rewards are 0 or 1.
    """
    draws = _draws(arms, np.random.default_rng(seed))
    wins = np.bincount(draws.argmax(axis=0), minlength=len(arms))
    return [float(share) for share in wins / DRAWS]


def top_two(chances: Sequence[float]) -> list[float]:
    """Return the weights of top-two Thompson sampling: half of the time the best draw, else the best other one.

    The runner-up is drawn in proportion to the other arms' chances, so a clear winner takes about half, and the rest
    goes to whoever could still be better (Russo 2016, beta = 1/2, in expectation). Of two arms it would always give
    each a half, so two are drawn by plain Thompson sampling.
    """
    known = np.maximum(np.asarray(chances, dtype=np.float64), 1e-12)
    known = known / known.sum()
    if len(known) == 2:
        return [float(weight) for weight in known]
    others = np.tile(known, (len(known), 1))  # row i: whom i is followed by
    np.fill_diagonal(others, 0.0)
    others = known[:, None] * others / others.sum(axis=1, keepdims=True)
    weights = 0.5 * known + 0.5 * others.sum(axis=0)
    return [float(weight) for weight in weights / weights.sum()]


def floored(weights: Sequence[float], *, floor: float) -> list[float]:
    """Return floor + (1 - n floor) w for each weight: no arm below the floor, and none clipped.

    Clipping would favour arms near the floor; adding keeps the order and the sum.
    """
    n = len(weights)
    least = min(floor, 1 / n)
    return [least + (1 - n * least) * weight for weight in weights]


def basis_points(weights: Sequence[float]) -> list[int]:
    """Round weights that add up to 1 to whole basis points that add up to 10,000: largest remainders first."""
    exact = [weight * 10_000 for weight in weights]
    whole = [int(value) for value in exact]
    order = sorted(range(len(exact)), key=lambda at: (whole[at] - exact[at], at))
    for at in order[: 10_000 - sum(whole)]:
        whole[at] += 1
    return whole


def policy_value(rewards: ArrayLike, chosen: ArrayLike, propensity: ArrayLike) -> Value:
    """Estimate the mean reward of one arm over all callers from logged propensities.

    Augmented inverse propensity weighting with the arm's own mean as its model: unbiased whatever the model, and much
    narrower than plain weighting when rewards lie far from 0.

    Args:
        rewards: (rows,) of every row, whoever answered.
        chosen: (rows,) True where the arm answered.
        propensity: (rows,) logged chance of the arm that answered; used where `chosen`.
    """
    values, mine = np.asarray(rewards, dtype=np.float64), np.asarray(chosen, dtype=bool)
    inverse = np.where(mine, 1 / np.asarray(propensity, dtype=np.float64), 0.0)
    model = float((inverse * values).sum() / inverse.sum())
    terms = model + inverse * (values - model)
    return Value(mean=float(terms.mean()), error=float(terms.std(ddof=1) / np.sqrt(len(terms))))


def _draws(arms: Sequence[Rewards], rng: np.random.Generator) -> np.ndarray:
    binary = all(arm.binary for arm in arms)
    return np.array([_beta(arm, rng) if binary else _normal(arm, rng) for arm in arms])


def _beta(arm: Rewards, rng: np.random.Generator) -> np.ndarray:
    return rng.beta(1 + arm.total, 1 + max(arm.count - arm.total, 0.0), DRAWS)


def _normal(arm: Rewards, rng: np.random.Generator) -> np.ndarray:
    mean = arm.total / arm.count
    variance = max(arm.squares / arm.count - mean**2, 1e-12)
    return mean + np.sqrt(variance / arm.count) * rng.standard_t(max(arm.count - 1, 1.0), DRAWS)
