"""Some numeric columns of some rows, counted at once: what serving processes do beside answering, so it is quick.

Sorted values make the counts of all bins a few binary searches, and need no second pass over the rows.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detent.statistics.axes import ABOVE, BELOW, NAN, NOVEL, NULL, SPECIAL, Axis, Floats
from detent.statistics.columns import Mask, Numbers

Ints = NDArray[np.int64]
Pack = Callable[..., bytes]  # (one argument per input)

_CLIP = {16: 2.0**31, 32: 2.0**33}  # largest addend: 2^29 rows of the worst kind fit into 62 bits


class Block:
    """Counts blocks (axes, rows) of numeric axes; what was found of the last one stands in the attributes.

    Attributes:
        bins: of all axes, one after the other.
        strange: (axes, 5) of what is no finite number; None: there was none.
        sums: per axis, of fixed-point values.
        bin_sums: of the first axis, per bin; only when asked for.
        lowest: least finite value per axis, inf where there is none.
        highest: largest one, or -inf.
    """

    def __init__(self, axes: Sequence[Axis]) -> None:
        self._edges = [np.array(axis.edges, dtype=np.float64) for axis in axes]
        self._centre = np.array([axis.centre for axis in axes])[:, None]
        self._unit = np.array([axis.unit for axis in axes])[:, None]
        self._scale = np.array([2.0**axis.bits for axis in axes])[:, None]
        self._clip = np.array([_CLIP[axis.bits] for axis in axes])[:, None]
        starts = np.cumsum([0, *(axis.bins for axis in axes)])
        self._starts, self._lasts = starts[:-1], starts[1:] - 1  # first and last bin of each axis
        self._spans = [slice(start, start + len(edges)) for start, edges in zip(starts, self._edges, strict=False)]
        self._ends: Ints = np.zeros(int(starts[-1]), dtype=np.int64)
        self.bins: Ints = np.zeros_like(self._ends)
        self.strange: Ints | None = None
        self.sums: Ints = np.zeros(len(axes), dtype=np.int64)
        self.bin_sums: Ints = np.empty(0, dtype=np.int64)
        self.lowest = np.full(len(axes), np.inf)
        self.highest = np.full(len(axes), -np.inf)

    def count(self, block: Numbers, *, each_bin: bool = False) -> None:
        """Count so few rows (8,192 at most) that a float holds their sums exactly."""
        axes, rows = block.values.shape
        ordered = np.sort(block.values, axis=1)  # -inf first, +inf and then NaN last
        self.strange, first, last = None, [0] * axes, [rows] * axes  # the finite values of each axis lie between
        if not rows:
            self.lowest, self.highest = np.full(axes, np.inf), np.full(axes, -np.inf)
        else:
            self.lowest, self.highest = ordered[:, 0] + 0.0, ordered[:, -1] + 0.0
            if not (np.isfinite(self.lowest).all() and np.isfinite(self.highest).all()):
                self.strange = np.stack([special(block)[kind].sum(axis=1) for kind in range(SPECIAL)], axis=1)
                first, last = self._finite(ordered)
        ends = self._ends
        for span, edges, values, start, end in zip(self._spans, self._edges, ordered, first, last, strict=True):
            ends[span] = values[start:end].searchsorted(edges, side="right")
        ends[self._lasts] = np.subtract(last, first)
        np.subtract(ends[1:], ends[:-1], out=self.bins[1:])
        self.bins[self._starts] = ends[self._starts]
        fixed = self._fixed(ordered)
        self.sums = fixed.sum(axis=1).astype(np.int64)
        if each_bin:
            running = np.concatenate([[0.0], fixed[0, first[0] : last[0]].cumsum()])
            self.bin_sums = np.diff(running[ends[: self._lasts[0] + 1]], prepend=0.0).astype(np.int64)

    def _fixed(self, ordered: Floats) -> Floats:
        """Return each value's addend to the sums, a whole number; 0 for what is not finite."""
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is clipped
            fixed = (ordered - self._centre) / self._unit * self._scale
        np.maximum(fixed, -self._clip, out=fixed)
        np.minimum(fixed, self._clip, out=fixed)
        np.rint(fixed, out=fixed)
        if self.strange is not None:
            fixed[~np.isfinite(ordered)] = 0.0
        return fixed

    def _finite(self, ordered: Floats) -> tuple[list[int], list[int]]:
        """Return where the finite values of each sorted axis begin and end, and note their extremes."""
        starts = (ordered == -np.inf).sum(axis=1)
        ends = starts + np.isfinite(ordered).sum(axis=1)
        some, rows = starts < ends, np.arange(len(ordered))
        self.lowest = np.where(some, ordered[rows, np.minimum(starts, ordered.shape[1] - 1)] + 0.0, np.inf)
        self.highest = np.where(some, ordered[rows, np.maximum(ends - 1, 0)] + 0.0, -np.inf)
        return starts.tolist(), ends.tolist()


def packer(width: int, levels: Mapping[int, Mapping[Any, int]]) -> Pack:
    """Return what turns the values of a row into so many C doubles, all at once; None becomes NaN.

    Args:
        width: number of inputs.
        levels: by place in the row, the cell of each level.
    """
    pack = struct.Struct(f"{width}d").pack
    tables = list(levels.items())

    def numbers(*row: Any) -> bytes:
        try:
            return pack(*row)
        except struct.error:  # None is no number
            return pack(*[math.nan if value is None else value for value in row])

    def mixed(*row: Any) -> bytes:
        values = list(row)
        for place, table in tables:
            values[place] = table[values[place]]
        return numbers(*values)

    return mixed if tables else numbers


def special(block: Numbers) -> dict[int, Mask]:
    """Return where the values are that are no finite numbers, by the cell that each kind has."""
    values, none = block.values, np.zeros(block.values.shape, dtype=np.bool_)
    null = none if block.null is None else block.null
    foreign = none if block.foreign is None else block.foreign
    return {
        NULL: null,
        NAN: np.isnan(values) & ~null & ~foreign,
        BELOW: values == -np.inf,
        ABOVE: values == np.inf,
        NOVEL: foreign,
    }


def stacked(columns: Sequence[Numbers], rows: int) -> Numbers:
    """Return columns as one block (columns, rows)."""
    if not columns:
        return Numbers(np.empty((0, rows)), None, None)
    values = np.stack([one.values for one in columns])
    return Numbers(values, _masks([one.null for one in columns], rows), _masks([one.foreign for one in columns], rows))


def _masks(masks: Sequence[Mask | None], rows: int) -> Mask | None:
    if all(mask is None for mask in masks):
        return None
    return np.stack([np.zeros(rows, dtype=np.bool_) if mask is None else mask for mask in masks])
