"""The record of what was counted of some rows over a layout's cells, and its one form as bytes."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

import msgspec
import numpy as np

from detent.errors import TamperedError
from detent.statistics.axes import Floats
from detent.statistics.block import Ints
from detent.statistics.counting import Novel
from detent.store.canonical import canonical

_MAGIC = b"detent granule 1\n"
_SEAL = 16  # bytes of BLAKE2 at the end: a file that was cut or damaged is noticed


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
        bare(head.layout, rows, arrays[2 * number], arrays[2 * number + 1], head.axes)
        for number, rows in enumerate(head.rows)
    ]
    return Granule(
        layout=head.layout, rows=head.rows[0], cells=arrays[0], sums=arrays[1], lowest=lowest, highest=highest,
        novel=head.novel, slices=tuple(parts[1:]),
    )  # fmt: skip


def bare(layout: str, rows: int, cells: Ints, sums: Ints, axes: int) -> Granule:
    """Return counts without extremes and new levels, such as those of a slice."""
    return Granule(
        layout=layout, rows=rows, cells=cells, sums=sums, lowest=np.full(axes, np.inf), highest=np.full(axes, -np.inf),
        novel=((),) * axes,
    )  # fmt: skip


def _narrow(array: Ints) -> np.ndarray:
    """Return the array with the fewest bytes per number that hold all of it."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    for kind in ("<u1", "<u2", "<u4") if low >= 0 else ("<i1", "<i2", "<i4"):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return array.astype(kind)
    return array.astype("<i8")
