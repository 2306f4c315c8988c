"""Over which bins rows are counted: fixed once, with the reference, for every process and every window after it.

Fixed bins make counts exact under merging: whichever process saw a row, and in whatever order, the sums are the same.
A cell holds x with `edges[i-1] < x <= edges[i]`; the outermost two are open. A value that fills a bin alone has its own
cell. What is no number (null, NaN, -inf, +inf) and what was never seen at training have cells of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from detent.errors import DetentError, did_you_mean
from detent.records.signature import BOOLEAN, INTEGER, NUMBER, STRING
from detent.statistics.axes import (
    ABOVE,
    BELOW,
    BOOLEAN_LEVELS,
    NAN,
    NOVEL,
    NULL,
    OUTPUT,
    PROBABILITY,
    SPECIAL,
    Axis,
    level_axis,
    numeric_axis,
    ranked,
    score_axis,
    sums_of,
)
from detent.statistics.columns import Column
from detent.store.canonical import digest_of

__all__ = ["ABOVE", "BELOW", "NAN", "NOVEL", "NULL", "OUTPUT", "PROBABILITY", "SPECIAL", "Axis", "Layout", "layout_of"]

MOST_SLICES = 20  # levels of a column by which rows are sliced


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """All axes: the inputs in order, the scores last under the name "prediction"."""

    axes: tuple[Axis, ...]
    slices: tuple[tuple[str, tuple[str, ...]], ...] = ()  # (column, at most 20 levels) whose rows are counted apart too
    breakpoints: tuple[float, ...] = ()  # of the calibrator; all are edges of the scores' axis
    positive: float | None = None  # scores from here on predict class 1: no bin lies on both sides; None: no classes
    digest: str = field(init=False, compare=False, repr=False)  # the layout's name wherever counts are stored
    # Made when asked for.
    _coarse: list[Layout] = field(init=False, compare=False, repr=False, default_factory=list)
    _found: dict[str, tuple[Axis, slice, slice]] = field(init=False, compare=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest_of(to_plain(self)))

    @property
    def cells(self) -> int:
        """Number of cells of all axes."""
        return sum(axis.cells for axis in self.axes)

    @property
    def slice_names(self) -> tuple[str, ...]:
        """What a granule's slices are called, in order: "origin=JFK"."""
        return tuple(f"{column}={level}" for column, levels in self.slices for level in levels)

    def axis(self, name: str) -> Axis | None:
        """Return the axis of a column, or None when it is not counted."""
        found = self._columns().get(name)
        return None if found is None else found[0]

    def place(self, name: str) -> slice:
        """Return where the cells of a column lie.

        Raises:
            DetentError: the column is not counted.
        """
        return self._column(name)[1]

    def sum_place(self, name: str) -> slice:
        """Return where the sums of a column lie: one per bin for the scores, one for any other, none for levels.

        Raises:
            DetentError: the column is not counted.
        """
        return self._column(name)[2]

    def _column(self, name: str) -> tuple[Axis, slice, slice]:
        found = self._columns().get(name)
        if found is None:
            raise _unknown(name, [axis.name for axis in self.axes])
        return found

    def _columns(self) -> dict[str, tuple[Axis, slice, slice]]:
        """Return each column's axis and where its cells and its sums lie; of two of one name, the first."""
        if not self._found:
            cell = place = 0
            found: dict[str, tuple[Axis, slice, slice]] = {}
            for axis in self.axes:
                width, size = axis.cells, sums_of(axis)
                found.setdefault(axis.name, (axis, slice(cell, cell + width), slice(place, place + size)))
                cell, place = cell + width, place + size
            self._found.update(found)  # at once: another thread sees all of it or nothing
        return self._found

    @property
    def sums(self) -> int:
        """Number of sums of all axes."""
        return sum(sums_of(axis) for axis in self.axes)

    def without(self, names: Iterable[str]) -> Layout:
        """Return the layout without some inputs, for example those that the log masks."""
        gone = set(names) - {OUTPUT}
        if not any(axis.name in gone for axis in self.axes):
            return self
        return replace(
            self,
            axes=tuple(axis for axis in self.axes if axis.name not in gone),
            slices=tuple(one for one in self.slices if one[0] not in gone),
        )

    def coarse(self) -> Layout:
        """Return the layout with about 20 bins per number and without slices: for seasons and for profiles."""
        if not self._coarse:
            axes = tuple(replace(axis, edges=axis.coarse) for axis in self.axes)
            self._coarse.append(replace(self, axes=axes, slices=(), breakpoints=(), positive=None))
        return self._coarse[0]


def layout_of(
    columns: Mapping[str, Column],
    signature: Sequence[tuple[str, str]],
    *,
    output: str = PROBABILITY,
    fine: int = 240,
    stored: int = 60,
    levels: int = 200,
    slices: Sequence[str] = (),
    breakpoints: Sequence[float] = (),
) -> Layout:
    """Choose bins from rows, so that each holds about as many of them.

    Args:
        columns: values by name, and the scores under "prediction"; columns may differ in length.
        signature: (name, kind) of the inputs.
        output: "probability" or "value".
        fine: bins of the scores; a multiple of 20, so that the edges of about 20 bins are among its own.
        stored: bins of a number; a multiple of 20 too.
        levels: levels of a text that get a cell.
        slices: inputs whose most frequent levels (at most 20) are counted apart.
        breakpoints: scores that must be edges: where the calibrator bends.

    Raises:
        DetentError: a column is missing, or slices name a column that has no levels.
    """
    for name in [name for name, _ in signature] + list(slices):
        if name not in columns:
            raise _unknown(name, list(columns))
    axes = [
        numeric_axis(name, kind, columns[name], stored) if kind in (NUMBER, INTEGER) else level_axis(
            name, kind, columns[name], levels
        )
        for name, kind in signature
    ]  # fmt: skip
    kinds = dict(signature)
    return Layout(
        axes=(*axes, score_axis(columns.get(OUTPUT, ()), output, fine, breakpoints)),
        slices=tuple((name, _slice_levels(name, kinds.get(name, NUMBER), columns[name])) for name in slices),
        breakpoints=tuple(sorted({float(point) + 0.0 for point in breakpoints})),
        positive=0.5 if output == PROBABILITY else None,
    )


def to_plain(layout: Layout) -> dict[str, Any]:
    """Return a layout as JSON's types; equal layouts give equal ones."""
    found = {name: getattr(layout, name) for name in ("slices", "breakpoints", "positive")}
    return {**found, "axes": [msgspec.to_builtins(axis) for axis in layout.axes]}


def from_plain(data: Any) -> Layout:
    """Return the layout that `to_plain` wrote.

    Raises:
        msgspec.ValidationError: it is none.
    """
    read = msgspec.convert(data, _Plain)
    return Layout(axes=read.axes, slices=read.slices, breakpoints=read.breakpoints, positive=read.positive)


class _Plain(msgspec.Struct):
    axes: tuple[Axis, ...]
    slices: tuple[tuple[str, tuple[str, ...]], ...]
    breakpoints: tuple[float, ...]
    positive: float | None


def _slice_levels(name: str, kind: str, column: Column) -> tuple[str, ...]:
    if kind not in (STRING, BOOLEAN, INTEGER):
        raise DetentError(
            what=f"rows can't be sliced by `{name}`",
            why=f"it is a {kind}; slices are by levels",
            fix="name a column of texts, booleans or integers in `monitor.slices`",
        )
    if kind == BOOLEAN:
        return BOOLEAN_LEVELS
    return tuple(ranked(column)[:MOST_SLICES])


def _unknown(name: str, known: Sequence[str]) -> DetentError:
    return DetentError(
        what=f"there is no column `{name}`",
        why="the layout counts the model's inputs and `prediction`",
        fix=did_you_mean(name, list(known)),
    )
