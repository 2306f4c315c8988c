"""The cells of one column, and how they are chosen from rows."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detent.records.signature import BOOLEAN, INTEGER, NUMBER
from detent.statistics.columns import Column, numbers, plain, text_of

OUTPUT = "prediction"  # name of the axis of the model's scores
PROBABILITY = "probability"
NULL, NAN, BELOW, ABOVE, NOVEL = range(5)  # cells after an axis' bins: null, NaN, -inf, +inf, never seen at training
SPECIAL = 5
COARSE = 20  # bins of about equal mass of a coarse axis
MOST_KNOWN = 20_000  # levels that are told from new ones beyond those with a cell
BOOLEAN_LEVELS = ("false", "true")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The cells of one column: `bins`, then the five special ones."""

    name: str
    kind: str  # number | integer | string | boolean
    edges: tuple[float, ...] = ()  # ascending, finite
    coarse: tuple[float, ...] = ()  # those of `edges` that a profile of about 20 bins keeps
    levels: tuple[str, ...] = ()  # most frequent first
    others: tuple[int, ...] = ()  # `level_hash` of further known levels, ascending; they share the last bin
    open: bool = False  # every level counts as known: there were too many to tell, or nobody wrote them down
    centre: float = 0.0  # sums are of (x - centre) / unit, with `bits` binary digits after the point
    unit: float = 1.0  # > 0
    bits: int = 16

    @property
    def numeric(self) -> bool:
        """True for numbers, False for levels."""
        return self.kind in (NUMBER, INTEGER)

    @property
    def bins(self) -> int:
        """Number of cells before the special ones; of levels, the last is for all known ones without a cell."""
        return (len(self.edges) if self.numeric else len(self.levels)) + 1

    @property
    def cells(self) -> int:
        """Number of all cells."""
        return self.bins + SPECIAL


def sums_of(axis: Axis) -> int:
    """Return how many sums an axis has: scores one per bin (without labels, quality follows from them)."""
    if not axis.numeric:
        return 0
    return axis.bins if axis.name == OUTPUT else 1


def level_hash(level: str) -> int:
    """Return 63 bits of a level's BLAKE2 digest: what is kept of known levels without a cell."""
    data = level.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest()) >> 1


def knows(axis: Axis, level: str) -> bool:
    """Tell whether a level was seen when the layout was made."""
    if axis.open or level in axis.levels:
        return True
    hashed = level_hash(level)
    place = bisect_left(axis.others, hashed)
    return place < len(axis.others) and axis.others[place] == hashed


def quantile_edges(ordered: Floats, bins: int, *, whole: bool) -> Floats:
    """Return ascending edges of about equal mass; each is a value that occurred, or lies just below an atom.

    A value that is two quantiles at once holds at least a bin of mass. An edge just below it gives it a bin of its own,
    so that the rows below it are not lost in its mass (zero-inflated amounts, constant columns, integer codes).

    Args:
        ordered: finite values, ascending.
        bins: about so many.
        whole: values are integers.
    """
    if len(ordered) == 0:
        return np.empty(0)
    ranks = -(-len(ordered) * np.arange(1, bins) // bins) - 1
    edges, repeats = np.unique(ordered[ranks], return_counts=True)
    atoms = edges[repeats > 1]
    with np.errstate(over="ignore"):  # below the smallest float lies -inf, which is dropped
        below = np.minimum(atoms - 1, np.nextafter(atoms, -np.inf)) if whole else np.nextafter(atoms, -np.inf)
    return np.unique(np.concatenate([edges, below[np.isfinite(below)]])) + 0.0


def _ordered(column: Column) -> Floats:
    values = numbers(column).values
    return np.sort(values[np.isfinite(values)] + 0.0)  # -0.0 and 0.0 are one value


def numeric_axis(name: str, kind: str, column: Column, bins: int) -> Axis:
    """Return an axis with about `bins` bins of equal mass; what is no finite number does not matter."""
    ordered, whole = _ordered(column), kind == INTEGER
    coarse = quantile_edges(ordered, min(COARSE, bins), whole=whole)
    edges = np.union1d(quantile_edges(ordered, bins, whole=whole), coarse)
    centre, unit = _scale(ordered)
    return Axis(
        name=name, kind=kind, edges=tuple(edges.tolist()), coarse=tuple(coarse.tolist()), centre=centre, unit=unit
    )


def score_axis(column: Column, output: str, bins: int, breakpoints: Sequence[float]) -> Axis:
    """Return the axis of the scores; breakpoints are edges of it, and so is where the predicted class changes."""
    ordered = _ordered(column)
    coarse = quantile_edges(ordered, COARSE, whole=False)
    wanted = [quantile_edges(ordered, bins, whole=False), coarse, np.array(breakpoints, dtype=np.float64) + 0.0]
    if output != PROBABILITY:
        centre, unit = _scale(ordered)
        edges = tuple(np.unique(np.concatenate(wanted)).tolist())
        return Axis(name=OUTPUT, kind=NUMBER, edges=edges, coarse=tuple(coarse.tolist()), centre=centre, unit=unit)
    wanted.append(np.array([np.nextafter(0.5, 0.0)]))  # so that no bin holds scores of both classes
    edges = tuple(np.unique(np.concatenate(wanted)).tolist())
    return Axis(name=OUTPUT, kind=NUMBER, edges=edges, coarse=tuple(coarse.tolist()), bits=32)


def _scale(ordered: Floats) -> tuple[float, float]:
    """Return the median and the interquartile range, or what is left of it: std, then 1."""
    if len(ordered) == 0:
        return 0.0, 1.0
    low, middle, high = (float(ordered[round(share * (len(ordered) - 1))]) for share in (0.25, 0.5, 0.75))
    with np.errstate(over="ignore", invalid="ignore"):
        for unit in (high - low, float(np.std(ordered))):
            if 0.0 < unit < np.inf:
                return middle, unit
    return middle, 1.0


def level_axis(name: str, kind: str, column: Column, most: int) -> Axis:
    """Return an axis whose `most` most frequent levels have a cell of their own."""
    if kind == BOOLEAN:
        return Axis(name=name, kind=kind, levels=BOOLEAN_LEVELS)
    levels = ranked(column)
    kept, rest = levels[:most], levels[most:]
    if len(rest) > MOST_KNOWN:
        return Axis(name=name, kind=kind, levels=tuple(kept), open=True)
    return Axis(name=name, kind=kind, levels=tuple(kept), others=tuple(sorted({level_hash(level) for level in rest})))


def ranked(column: Column) -> list[str]:
    """Return the levels, most frequent first."""
    found: Counter[str] = Counter()
    for value, rows in Counter(plain(column)).items():
        text = text_of(value)
        if text is not None:
            found[text] += rows
    return sorted(found, key=lambda level: (-found[level], level))
