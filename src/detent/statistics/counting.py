"""Count rows over the cells of a layout. The same rows give the same integers, however they come and are split.

Sums are integers too: float sums depend on the order of rows, so they could not be "the same whatever the split".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detent.errors import DetentError
from detent.records.signature import BOOLEAN
from detent.statistics.axes import NOVEL, NULL, SPECIAL, Axis, Floats, knows, level_hash
from detent.statistics.block import Block, Ints, packer, special, stacked
from detent.statistics.columns import Column, Numbers, numbers, plain, text_of
from detent.statistics.layout import Layout

Novel = tuple[int, str]  # hash of a level that was never seen at training, and how it begins

CHUNK = 8192  # rows that are counted at once: their sums stay exact in a float
NAMED = 10  # new levels that are kept by name: those of smallest hash, so the choice does not depend on the order
SHOWN = 200  # characters of such a level


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows as a tally of some layout reads them."""

    size: int
    inputs: Sequence[Numbers]  # a column per numeric input
    texts: Mapping[int, Sequence[Any]]  # by the place of the axis
    scores: Numbers | None


class Tally:
    """Counts that grow. Not safe for several threads.

    Attributes:
        rows: per part; part 0 is all rows, the others are the layout's slices.
        cells: (parts, cells of the layout).
        sums: (parts, sums of the layout), fixed point.
        lowest: least finite value per axis, inf where there is none; of all rows only.
        highest: largest one, or -inf.
        novel: per axis, the new levels of smallest hash.
        pack: turns the values of a row, in the order of the inputs, into bytes for `add_packed`.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        parts = 1 + len(layout.slice_names)
        self.rows = np.zeros(parts, dtype=np.int64)
        self.cells = np.zeros((parts, layout.cells), dtype=np.int64)
        self.sums = np.zeros((parts, layout.sums), dtype=np.int64)
        self.lowest = np.full(len(layout.axes), np.inf)
        self.highest = np.full(len(layout.axes), -np.inf)
        self.novel: list[list[Novel]] = [[] for _ in layout.axes]
        places = [layout.place(axis.name) for axis in layout.axes]
        self._score_sums = layout.sum_place(layout.axes[-1].name)
        self._levels = {n: Levels(axis) for n, axis in enumerate(layout.axes[:-1]) if not axis.numeric}
        self._numeric = [n for n, axis in enumerate(layout.axes[:-1]) if axis.numeric]
        self._inputs = Block([layout.axes[n] for n in self._numeric])
        self._score = Block([layout.axes[-1]])
        self._slicers = _slicers(layout)
        self.pack = packer(len(layout.axes) - 1, self._levels)
        self._starts = [place.start for place in places]
        numeric = [(places[n].start, layout.axes[n].bins) for n in self._numeric]
        self._bins = np.concatenate([np.arange(0), *(np.arange(start, start + bins) for start, bins in numeric)])
        self._strange = np.array([np.arange(SPECIAL) + start + bins for start, bins in numeric], dtype=np.int64)

    def add(self, columns: Mapping[str, Column], score: Column | None) -> None:
        """Count rows that come as columns.

        Raises:
            DetentError: a column is missing, or columns differ in length.
        """
        rows = self.read(columns, score)
        self.add_rows(rows, 0, rows.size)

    def read(self, columns: Mapping[str, Column], score: Column | None = None) -> Rows:
        """Read rows that come as columns, for `add_rows`: once, however many spans of them are counted.

        Raises:
            DetentError: a column is missing, or columns differ in length.
        """
        size = _length(self.layout, columns, score)
        names = [axis.name for axis in self.layout.axes[:-1]]
        return Rows(
            size=size,
            inputs=[numbers(columns[names[n]]) for n in self._numeric],
            texts={n: plain(columns[names[n]]) for n in self._levels},
            scores=None if score is None else numbers(score),
        )

    def add_rows(self, rows: Rows, start: int, end: int) -> None:
        """Count the rows from `start` up to, not including, `end`."""
        for first in range(start, end, CHUNK):
            part = slice(first, min(first + CHUNK, end))
            block = stacked([one.part(part) for one in rows.inputs], part.stop - first)
            levels = {n: table.places(rows.texts[n][part]) for n, table in self._levels.items()}
            scores = None if rows.scores is None else stacked([rows.scores.part(part)], block.values.shape[1])
            self._count(block, levels, scores)

    def add_packed(self, packed: Sequence[bytes], scores: Sequence[float | None]) -> None:
        """Count rows that `pack` packed; at most 8,192 at once."""
        table = np.frombuffer(b"".join(packed), dtype=np.float64).reshape(len(packed), len(self.layout.axes) - 1)
        columns = np.ascontiguousarray(table.T)
        levels = {n: columns[n].astype(np.int64) for n in self._levels}
        inputs = columns[self._numeric] if levels else columns
        self._count(_nulls(inputs), levels, _nulls(np.array(scores, dtype=np.float64)[None, :]))

    def reset(self) -> None:
        """Begin again with nothing counted."""
        for counted in (self.rows, self.cells, self.sums):
            counted[...] = 0
        self.lowest[:], self.highest[:] = np.inf, -np.inf
        self.novel = [[] for _ in self.layout.axes]

    def _count(self, block: Numbers, levels: Mapping[int, Ints], scores: Numbers | None) -> None:
        for number, table in self._levels.items():
            if table.new:
                self.novel[number] = sorted({*self.novel[number], *table.new})[:NAMED]
                table.new.clear()
        self._add(0, block, levels, scores)
        first = 1
        for number, slicer in self._slicers:
            codes = slicer(levels[number] if number in levels else block.values[self._numeric.index(number)])
            for place in np.unique(codes[codes >= 0]).tolist():
                mine = np.flatnonzero(codes == place)
                some = {n: cells[mine] for n, cells in levels.items()}
                self._add(first + place, block.take(mine), some, None if scores is None else scores.take(mine))
            first += slicer.size

    def _add(self, part: int, block: Numbers, levels: Mapping[int, Ints], scores: Numbers | None) -> None:
        self.rows[part] += block.values.shape[1]
        cells, sums, axes = self.cells[part], self.sums[part], self.layout.axes
        self._inputs.count(block)
        cells[self._bins] += self._inputs.bins
        if self._inputs.strange is not None:
            cells[self._strange] += self._inputs.strange
        sums[: len(self._numeric)] += self._inputs.sums
        for number, found in levels.items():
            start, size = self._starts[number], axes[number].cells
            cells[start : start + size] += np.bincount(found, minlength=size)
        if scores is not None:
            self._score.count(scores, each_bin=True)
            last = cells[self._starts[-1] :]
            last[:-SPECIAL] += self._score.bins
            if self._score.strange is not None:
                last[-SPECIAL:] += self._score.strange[0]
            sums[self._score_sums] += self._score.bin_sums
        if part == 0:
            self._note_extremes(self._numeric, self._inputs)
            if scores is not None:
                self._note_extremes([len(axes) - 1], self._score)

    def _note_extremes(self, places: Sequence[int], block: Block) -> None:
        if places:
            self.lowest[places] = np.minimum(self.lowest[places], block.lowest)
            self.highest[places] = np.maximum(self.highest[places], block.highest)


def places(axis: Axis, column: Column) -> Ints:
    """Return the cell of the axis that each value falls into."""
    if not axis.numeric:
        return Levels(axis).places(plain(column))
    read = numbers(column)
    found = np.array(axis.edges).searchsorted(read.values, side="left").astype(np.int64)
    for kind, mask in special(read).items():
        found[mask] = axis.bins + kind
    return found


class Levels(dict[Any, int]):
    """The cell of each known level within an axis. What is asked for and not known is looked at, and not kept."""

    def __init__(self, axis: Axis) -> None:
        super().__init__({level: place for place, level in enumerate(axis.levels)})
        self[None] = axis.bins + NULL
        if axis.kind == BOOLEAN:
            self.update({False: 0, True: 1})  # and so 0, 1, 0.0 and 1.0
        self._axis = axis
        self.new: set[Novel] = set()  # levels that training did not have

    def places(self, values: Sequence[Any]) -> Ints:
        """Return the cells of values of any type."""
        try:
            return np.fromiter(map(self.__getitem__, values), dtype=np.int64, count=len(values))
        except TypeError:  # a list or a dictionary among them
            return self.places([str(value) if value.__hash__ is None else value for value in values])

    def __missing__(self, value: Any) -> int:
        text = text_of(value)
        if text is None:
            return self[None]
        if not isinstance(value, str) and text in self:
            return self[text]
        if knows(self._axis, text):
            return self._axis.bins - 1
        self.new.add((level_hash(text), text[:SHOWN]))
        return self._axis.bins + NOVEL


class _Slicer:
    """Finds which slice of a column a row belongs to, by the cell of its level, or by its number."""

    def __init__(self, axis: Axis, levels: Sequence[str]) -> None:
        self.size = len(levels)
        keys = [int(level) for level in levels] if axis.numeric else [axis.levels.index(level) for level in levels]
        self._order = np.argsort(keys)
        self._keys = np.array(keys)[self._order]

    def __call__(self, values: NDArray[np.int64] | Floats) -> Ints:
        """Return the number of each value's slice; -1 when it has none."""
        if not self.size:
            return np.full(len(values), -1)
        place = np.minimum(np.searchsorted(self._keys, values), self.size - 1)
        return np.where(self._keys[place] == values, self._order[place], -1)


def _slicers(layout: Layout) -> list[tuple[int, _Slicer]]:
    names = [axis.name for axis in layout.axes]
    return [(names.index(name), _Slicer(layout.axes[names.index(name)], levels)) for name, levels in layout.slices]


def _length(layout: Layout, columns: Mapping[str, Column], score: Column | None) -> int:
    lengths: dict[str, int] = {}
    for axis in layout.axes[:-1]:
        if axis.name not in columns:
            raise DetentError(
                what=f"column `{axis.name}` can't be counted: it is not there",
                why=f"the layout has it; the rows have {', '.join(sorted(columns)) or 'no columns'}",
                fix="pass every column of the layout, with nulls where a value is unknown",
            )
        lengths[axis.name] = len(columns[axis.name])
    if score is not None:
        lengths[layout.axes[-1].name] = len(score)
    if len(set(lengths.values())) > 1:
        raise DetentError(
            what="columns of different length can't be counted",
            why=", ".join(f"{name}: {length}" for name, length in list(lengths.items())[:5]),
            fix="pass one value per row in every column, with nulls where a value is unknown",
        )
    return next(iter(lengths.values()), 0)


def _nulls(values: Floats) -> Numbers:
    """Return packed values: NaN stands for null, since a request holds no other."""
    null = np.isnan(values)
    return Numbers(values, null if null.any() else None, None)
