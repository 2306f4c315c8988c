"""What was counted of some rows, over a layout's cells: adds up exactly, and has one form as bytes."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from detent.errors import DetentError, TamperedError
from detent.records.profile import ColumnProfile, Profile
from detent.statistics.axes import ABOVE, BELOW, NAN, NOVEL, NULL, OUTPUT, Axis, Floats
from detent.statistics.block import Ints
from detent.statistics.columns import Column
from detent.statistics.counting import NAMED, Novel, Tally
from detent.statistics.layout import Layout
from detent.store.canonical import canonical

_MAGIC = b"detent granule 1\n"
_SEAL = 16  # bytes of BLAKE2 at the end: a file that was cut or damaged is noticed
_MOST = 2.0**62


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Granule:
    """Counts of some rows, usually those that one version was asked in one hour. Arrays are never changed."""

    layout: str  # digest of the layout
    rows: int
    cells: Ints  # of all axes, one after the other: `Layout.place`
    sums: Ints  # fixed point: `Layout.sum_place`, `mean`, `score_sums`
    lowest: Floats  # least finite value per axis; inf: there is none
    highest: Floats  # largest finite value per axis; -inf: there is none
    novel: tuple[tuple[Novel, ...], ...]  # per axis (hash, text) of at most 10 levels that training did not have
    slices: tuple[Granule, ...] = ()  # in the order of `Layout.slice_names`; without extremes and new levels

    def __eq__(self, other: object) -> bool:
        """Two granules are equal when their bytes are."""
        return isinstance(other, Granule) and to_bytes(self) == to_bytes(other)

    def __hash__(self) -> int:
        return hash((self.layout, self.rows))


@dataclass(frozen=True, slots=True)
class Cells:
    """The counts of one column."""

    bins: Ints  # per interval between the axis' edges; or per level, all other known ones last
    null: int
    nan: int
    below: int  # -inf
    above: int  # +inf
    novel: int  # levels that training did not have; of a number: values of another type


def count(layout: Layout, columns: Mapping[str, Column], score: Column | None = None) -> Granule:
    """Count rows.

    Args:
        layout: over which cells.
        columns: equally long sequences by name: lists, NumPy arrays or Polars series; the layout's inputs are needed.
        score: one per row, None where the model failed; None: the scores' axis stays empty.

    Raises:
        DetentError: a column is missing, or columns differ in length.
    """
    tally = Tally(layout)
    tally.add(columns, score)
    return granule_of(tally)


def granule_of(tally: Tally) -> Granule:
    """Return what was counted so far; the tally may go on."""
    layout, axes = tally.layout.digest, len(tally.layout.axes)
    slices = tuple(
        _bare(layout, int(tally.rows[part]), tally.cells[part].copy(), tally.sums[part].copy(), axes)
        for part in range(1, len(tally.rows))
    )
    return Granule(
        layout=layout,
        rows=int(tally.rows[0]),
        cells=tally.cells[0].copy(),
        sums=tally.sums[0].copy(),
        lowest=tally.lowest.copy(),
        highest=tally.highest.copy(),
        novel=tuple(map(tuple, tally.novel)),
        slices=slices,
    )


def empty(layout: Layout) -> Granule:
    """Return the counts of no rows."""
    return granule_of(Tally(layout))


def add(a: Granule, b: Granule) -> Granule:
    """Return the counts of the rows of both.

    Raises:
        DetentError: they were counted over different layouts, or a count grows beyond 62 bits.
    """
    return total((a, b))


def total(granules: Iterable[Granule]) -> Granule:
    """Return the counts of the rows of all, whatever their order. There must be at least one.

    Raises:
        DetentError: there is none, they were counted over different layouts, or a count grows beyond 62 bits.
    """
    parts = list(granules)
    if len({part.layout for part in parts}) != 1:
        raise DetentError(
            what="these counts can't be added",
            why="they are over different layouts" if parts else "there are none",
            fix="count the rows again over one layout",
        )
    first = parts[0]
    novel = tuple(
        tuple(sorted({found for part in parts for found in part.novel[number]})[:NAMED])
        for number in range(len(first.novel))
    )
    return Granule(
        layout=first.layout,
        rows=sum(part.rows for part in parts),
        cells=_added([part.cells for part in parts]),
        sums=_added([part.sums for part in parts]),
        lowest=np.minimum.reduce([part.lowest for part in parts]),
        highest=np.maximum.reduce([part.highest for part in parts]),
        novel=novel,
        slices=tuple(total(same) for same in zip(*(part.slices for part in parts), strict=True)),
    )


def cells_of(layout: Layout, granule: Granule, name: str) -> Cells:
    """Return the counts of one column.

    Raises:
        DetentError: the column is not counted, or the granule is of another layout.
    """
    _check(layout, granule)
    axis = layout.axis(name)
    found = granule.cells[layout.place(name)]
    bins = axis.bins if axis is not None else 0
    null, nan, below, above, novel = (int(found[bins + kind]) for kind in (NULL, NAN, BELOW, ABOVE, NOVEL))
    return Cells(found[:bins], null, nan, below, above, novel)


def mean(layout: Layout, granule: Granule, name: str) -> float | None:
    """Return the mean of the finite values, those beyond 32,768 interquartile ranges cut; None when there are none."""
    axis, found = layout.axis(name), cells_of(layout, granule, name)
    finite = int(found.bins.sum())
    if axis is None or not axis.numeric or not finite:
        return None
    whole = sum(granule.sums[layout.sum_place(name)].tolist())
    return axis.centre + axis.unit * (whole / finite / 2.0**axis.bits)


def score_sums(layout: Layout, granule: Granule) -> Floats:
    """Return the sum of the scores in each bin of the scores' axis; off by at most rows * unit * 2^-bits / 2."""
    axis, found = layout.axes[-1], cells_of(layout, granule, OUTPUT)
    fixed = granule.sums[layout.sum_place(OUTPUT)]
    return found.bins * axis.centre + axis.unit * (fixed / 2.0**axis.bits)


def slice_of(layout: Layout, granule: Granule, name: str) -> Granule:
    """Return the counts of one slice, for example "origin=JFK".

    Raises:
        DetentError: the layout has no such slice.
    """
    names = layout.slice_names
    if name not in names:
        raise DetentError(
            what=f"there is no slice `{name}`",
            why=f"counted are {', '.join(names[:10]) or 'none'}",
            fix="name its column in `monitor.slices`, and train again",
        )
    return granule.slices[names.index(name)]


def coarsen(layout: Layout, granule: Granule) -> Granule:
    """Return the same counts over `layout.coarse()`, without slices.

    Raises:
        DetentError: the granule is of another layout.
    """
    _check(layout, granule)
    cells, sums, cell, place = [], [], 0, 0
    for axis in layout.axes:
        starts, width = _group_starts(axis), 0
        found = granule.cells[cell : cell + axis.cells]
        cells += [np.add.reduceat(found[: axis.bins], starts), found[axis.bins :]]
        width = axis.bins if axis.name == OUTPUT else int(axis.numeric)
        mine = granule.sums[place : place + width]
        sums.append(np.add.reduceat(mine, starts) if axis.name == OUTPUT else mine)
        cell, place = cell + axis.cells, place + width
    return Granule(
        layout=layout.coarse().digest,
        rows=granule.rows,
        cells=np.concatenate(cells),
        sums=np.concatenate(sums),
        lowest=granule.lowest,
        highest=granule.highest,
        novel=granule.novel,
    )


def profile(layout: Layout, granule: Granule) -> Profile:
    """Return the counts as a profile of about 20 bins per number; scores are left out when none were counted.

    Raises:
        DetentError: the granule is of another layout.
    """
    few, coarse = coarsen(layout, granule), layout.coarse()
    columns = []
    for axis in coarse.axes:
        found = cells_of(coarse, few, axis.name)
        counts = found.bins.tolist()
        strange = found.nan + found.above + found.below
        nulls = found.null + strange + (found.novel if axis.numeric else 0)
        if axis.name == OUTPUT and not sum(counts) + nulls:
            continue
        if not axis.numeric:
            counts[-1] += found.novel
        columns.append(
            ColumnProfile(
                name=axis.name, kind=axis.kind, edges=axis.edges, levels=axis.levels, counts=tuple(counts), nulls=nulls,
                nan=found.nan, above=found.above, below=found.below, novel=found.novel,
            )
        )  # fmt: skip
    return Profile(rows=granule.rows, columns=tuple(columns))


def to_bytes(granule: Granule) -> bytes:
    """Return the one form of these counts as bytes."""
    arrays = [granule.cells, granule.sums]
    for one in granule.slices:
        arrays += [one.cells, one.sums]
    packed = [_narrow(array) for array in arrays]
    head = canonical(
        {
            "layout": granule.layout,
            "rows": [granule.rows, *(one.rows for one in granule.slices)],
            "novel": granule.novel,
            "arrays": [(array.dtype.str, len(array)) for array in packed],
            "axes": len(granule.lowest),
        }
    )
    ends = granule.lowest.astype("<f8").tobytes() + granule.highest.astype("<f8").tobytes()
    body = _MAGIC + struct.pack("<I", len(head)) + head + ends + b"".join(array.tobytes() for array in packed)
    return body + hashlib.blake2b(body, digest_size=_SEAL).digest()


class _Head(msgspec.Struct):
    layout: str
    rows: list[int]
    novel: tuple[tuple[Novel, ...], ...]
    arrays: list[tuple[str, int]]
    axes: int


def from_bytes(data: bytes) -> Granule:
    """Return the counts that `to_bytes` wrote.

    Raises:
        TamperedError: the bytes are cut, damaged, or something else.
    """
    body = data[:-_SEAL]
    whole = data.startswith(_MAGIC) and hashlib.blake2b(body, digest_size=_SEAL).digest() == data[-_SEAL:]
    if not whole:
        raise TamperedError(
            what="these bytes are no counts of predictions",
            why="their checksum is wrong, so they were cut or damaged",
            fix="remove the file; the prediction log is counted instead",
        )
    start = len(_MAGIC) + 4
    end = start + struct.unpack_from("<I", body, len(_MAGIC))[0]
    head = msgspec.json.decode(body[start:end], type=_Head)
    lowest = np.frombuffer(body, "<f8", head.axes, end).astype(np.float64)
    highest = np.frombuffer(body, "<f8", head.axes, end + 8 * head.axes).astype(np.float64)
    end += 16 * head.axes
    arrays = []
    for kind, length in head.arrays:
        arrays.append(np.frombuffer(body, np.dtype(kind), length, end).astype(np.int64))
        end += np.dtype(kind).itemsize * length
    parts = [
        _bare(head.layout, rows, arrays[2 * number], arrays[2 * number + 1], head.axes)
        for number, rows in enumerate(head.rows)
    ]
    return Granule(
        layout=head.layout, rows=head.rows[0], cells=arrays[0], sums=arrays[1], lowest=lowest, highest=highest,
        novel=head.novel, slices=tuple(parts[1:]),
    )  # fmt: skip


def _bare(layout: str, rows: int, cells: Ints, sums: Ints, axes: int) -> Granule:
    return Granule(
        layout=layout, rows=rows, cells=cells, sums=sums, lowest=np.full(axes, np.inf), highest=np.full(axes, -np.inf),
        novel=((),) * axes,
    )  # fmt: skip


def _added(arrays: Sequence[Ints]) -> Ints:
    if len(arrays) == 1:
        return arrays[0]
    stacked = np.stack(arrays)
    # A float can't wrap; it is far more exact than the two powers between this bound and the end of an int64.
    if stacked.size and np.abs(stacked.astype(np.float64)).sum(axis=0).max() > _MOST:
        raise DetentError(
            what="a count grew beyond 62 bits",
            why="so many rows can't be added up without an overflow",
            fix="look at shorter windows",
        )
    return stacked.sum(axis=0)


def _narrow(array: Ints) -> np.ndarray:
    """Return the array with the fewest bytes per number that hold all of it."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    for kind in ("<u1", "<u2", "<u4") if low >= 0 else ("<i1", "<i2", "<i4"):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return array.astype(kind)
    return array.astype("<i8")


def _group_starts(axis: Axis) -> Ints:
    """Return at which bins the groups begin that a coarse axis keeps."""
    if not axis.numeric:
        return np.arange(axis.bins)
    kept = np.searchsorted(np.array(axis.edges), np.array(axis.coarse))
    return np.concatenate([[0], kept + 1]).astype(np.int64)


def _check(layout: Layout, granule: Granule) -> None:
    if layout.digest != granule.layout:
        raise DetentError(
            what="these counts are of another layout",
            why=f"they were counted over {granule.layout[:12]}, not over {layout.digest[:12]}",
            fix="read them with the layout of the version that answered",
        )
