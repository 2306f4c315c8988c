"""A watch over a mean that never gives too many false alarms, however often one looks: the Shiryaev-Roberts e-detector.

As long as the mean of values in 0..1 is at most `p0`, whatever came before, each factor 1 + bet (x - p0) is one on
average at most. The sum over all starts R_n = (R_(n-1) + 1)(1 + bet (x_n - p0)) minus n is then a supermartingale, and
so is the mean over several bets: the expected number of values until it reaches A is at least A (Shin, Ramdas and
Rinaldo 2022, arXiv 2203.03532).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike

# From "a little worse" to "much worse"; each is the best one for some size of change.
BETS = (0.1, 0.2, 0.4, 0.8, 1.6, 2.5)
_BLOCK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class EDetector:
    """What is watched: values in 0..1 whose mean should be at most `p0` (above 0, below 1)."""

    p0: float
    bets: tuple[float, ...] = BETS

    @property
    def used(self) -> tuple[float, ...]:
        """The bets that can't lose more than all."""
        return tuple(bet for bet in self.bets if bet * self.p0 <= 1.0)

    def start(self) -> tuple[float, ...]:
        """Return the state before the first value."""
        return (0.0,) * len(self.used)

    def run(
        self, state: Sequence[float], values: ArrayLike, *, threshold: float
    ) -> tuple[tuple[float, ...], int | None]:
        """Take values, in order, up to the first at which the evidence reaches the threshold.

        Args:
            state: of `start` or of an earlier run.
            values: (n,) in 0..1; others raise ValueError, because nothing would hold then.
            threshold: A: with a mean of at most p0, alarms are at least A values apart on average.

        Returns:
            The state, and the position of the value that raised the alarm; None: there was none.
        """
        seen = np.asarray(values, dtype=np.float64)
        if seen.size and not (np.all(seen >= 0.0) and np.all(seen <= 1.0)):
            raise ValueError("a value is outside 0..1")
        for begin in range(0, seen.size, _BLOCK):
            block = seen[begin : begin + _BLOCK] - self.p0
            paths = np.array([_path(first, bet, block) for first, bet in zip(state, self.used, strict=True)])
            crossed = np.flatnonzero(paths.mean(axis=0) >= threshold)
            if crossed.size:
                at = int(crossed[0])
                return tuple(paths[:, at].tolist()), begin + at
            state = tuple(paths[:, -1].tolist())
        return tuple(state), None

    def value(self, state: Sequence[float]) -> float:
        """Return the evidence."""
        return float(np.mean(np.asarray(state))) if len(state) else 0.0


def _path(first: float, bet: float, moved: np.ndarray) -> list[float]:
    """Return R after each value; overflow is impossible below any threshold in use (it stops there)."""
    factors = (1.0 + bet * moved).tolist()
    return list(accumulate(factors, lambda r, factor: (r + 1.0) * factor, initial=first))[1:]
