"""One holdout, many candidates: each further one must be surer, so that all together are wrong as seldom as asked."""

from __future__ import annotations

MANY = 20  # candidates on the same rows: from here on fresh rows say more than another judgement


def spend(alpha: float, k: int) -> float:
    """Return the share of `alpha` that the k-th candidate on the same rows may take: alpha / (k (k + 1)).

    Over all k, from 1 to infinity, the shares add up to alpha: however many candidates are tried on a holdout, the
    chance that one of them passes a check without deserving it is at most alpha.

    Raises:
        ValueError: k < 1.
    """
    if k < 1:
        raise ValueError(f"candidates are counted from 1, not {k}")
    return alpha / (k * (k + 1))


def worn(k: int) -> bool:
    """Return whether so many candidates were judged on the same rows that these should be replaced."""
    return k > MANY
