"""Two answers to each of the same rows: how far are they apart?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.5, 0.9, 0.99, 1.0)
EDGE = 0.5  # where a probability becomes the other label


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One row with both answers."""

    id: str
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How the answers of `after` differ from those of `before`."""

    rows: int  # rows with both answers
    tolerance: float
    changed: int  # rows that differ by more than tolerance * max(1, |before|)
    mean: float  # of after - before
    quantiles: tuple[tuple[float, float], ...]  # (share of rows, |after - before| at most); 1.0 is the largest
    flips: tuple[int, int] | None  # probabilities that crossed 0.5 upwards, downwards; None: no probabilities
    largest: tuple[Pair, ...]  # the rows that differ most, the worst first; only rows that changed

    @property
    def share(self) -> float:
        """Share of the rows that changed, 0..1."""
        return self.changed / self.rows if self.rows else 0.0


def compare(
    ids: Sequence[str],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    *,
    tolerance: float,
    probability: bool,
    largest: int = 5,
) -> Difference:
    """Compare answers row by row; NaN stands for no answer, and such rows are left out."""
    both = np.flatnonzero(~(np.isnan(before) | np.isnan(after)))
    first, second = before[both], after[both]
    distance = np.abs(second - first)
    changed = distance > tolerance * np.maximum(1.0, np.abs(first))
    worst = [at for at in np.argsort(-distance, kind="stable")[:largest].tolist() if changed[at]]
    return Difference(
        rows=len(both),
        tolerance=tolerance,
        changed=int(changed.sum()),
        mean=float((second - first).mean()) if len(both) else 0.0,
        quantiles=tuple((share, _quantile(distance, share)) for share in QUANTILES),
        flips=_crossed(first, second) if probability else None,
        largest=tuple(Pair(id=ids[int(both[at])], before=float(first[at]), after=float(second[at])) for at in worst),
    )


def _crossed(before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[int, int]:
    return int(((before < EDGE) & (after >= EDGE)).sum()), int(((before >= EDGE) & (after < EDGE)).sum())


def _quantile(values: NDArray[np.float64], share: float) -> float:
    return float(np.quantile(values, share, method="higher")) if len(values) else 0.0
