"""Changes of a column of a given size, as they would show in its counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detent.monitor.drift.effects import spread
from detent.records.signature import INTEGER
from detent.statistics.axes import Axis

_IQR = 1.349  # of a normal law, in standard deviations
_TAIL = 2.0  # rows beyond the outermost edges are taken to lie within so many standard deviations of them
# A bin so narrow, in standard deviations, holds one value that many rows share.
_ATOM = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """A family of changes of one column over few bins."""

    unit: str  # "sd" | "share"
    shares: Floats  # (bins,) of the reference
    largest: float  # change that makes sense, in its unit
    ordered: bool  # bins are intervals of a number
    edges: Floats  # of numbers, with the ends of the outermost bins: (bins + 1,)
    sd: float  # what one unit is in the column's own
    whole: bool  # values are integers

    def moved(self, shares: Floats, size: float) -> Floats:
        """Return shares (..., bins) after a change of this size."""
        return shares @ (self._shift(size * self.sd) if self.ordered else self._exchange(size))

    def _exchange(self, size: float) -> Floats:
        """Return the matrix that moves `size` of all rows from the commonest level to the next."""
        first, second = np.argsort(-self.shares, kind="stable")[:2]
        matrix = np.eye(len(self.shares))
        part = size / self.shares[first]
        matrix[first, first], matrix[first, second] = 1 - part, part
        return matrix

    def _shift(self, by: float) -> Floats:
        if not self.whole:
            return self._shifted(by)
        # Integers move by whole steps: some rows by one more than the others.
        steps, part = int(by // 1), by % 1
        return (1 - part) * self._shifted(float(steps)) + part * self._shifted(float(steps + 1))

    def _shifted(self, by: float) -> Floats:
        """Return the matrix that moves every row by `by`; a value that many rows share stays where it is."""
        left, right = self.edges[:-1], self.edges[1:]
        width = np.maximum(right - left, 1e-300)
        inner = self.edges[1:-1]
        below = np.clip((inner[None, :] - by - left[:, None]) / width[:, None], 0.0, 1.0)
        matrix = np.diff(np.concatenate([np.zeros((len(left), 1)), below, np.ones((len(left), 1))], axis=1), axis=1)
        atoms = np.zeros(len(left), dtype=bool) if self.whole else width < _ATOM * self.sd
        matrix[atoms] = np.eye(len(left))[atoms]
        return matrix


def change_of(axis: Axis, counts: Floats) -> Change:
    """Return the changes of a column: shifts of a number, exchanged levels of anything else."""
    if axis.numeric:
        return _shifts(axis, counts)
    total = max(1.0, float(counts.sum()))
    shares = np.sort(counts)[::-1][:20] / total
    shares = np.append(shares, max(0.0, 1 - shares.sum())) if len(counts) > len(shares) else shares
    return Change(
        unit="share", shares=shares, largest=float(shares[0]) if len(shares) > 1 else 0.0, ordered=False,
        edges=np.empty(0), sd=1.0, whole=False,
    )  # fmt: skip


def _shifts(axis: Axis, counts: Floats) -> Change:
    starts = np.append(0, np.searchsorted(axis.edges, axis.coarse) + 1).astype(np.intp)
    few = np.add.reduceat(counts, starts)
    sd = spread(axis, counts) / _IQR
    inner = np.array(axis.coarse)
    edges = np.concatenate([[inner[0] - _TAIL * sd], inner, [inner[-1] + _TAIL * sd]]) if len(inner) else inner
    constant = len(inner) < 2 or not np.isfinite(sd)
    return Change(
        unit="sd", shares=few / max(1.0, few.sum()), largest=0.0 if constant else 5.0, ordered=True, edges=edges,
        sd=sd, whole=axis.kind == INTEGER,
    )  # fmt: skip
