"""Two tables -> columns and rows that came, went or changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from detent.data.versions.columns import ColumnChange, column_changes
from detent.data.versions.entries import File
from detent.data.versions.facts import scan
from detent.errors import DataError, did_you_mean
from detent.store.blobs import Blobs

_HASH, _OLD, _NEW = "__detent_hash", "__detent_old", "__detent_new"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDifference:
    """What changed between two tables. Rows are compared over the columns that both have."""

    columns_added: tuple[tuple[str, str], ...]  # (name, type)
    columns_removed: tuple[tuple[str, str], ...]
    columns_retyped: tuple[tuple[str, str, str], ...]  # (name, type before, type now)
    rows_before: int
    rows_after: int
    rows_added: int
    rows_removed: int
    rows_changed: int | None  # None: without a key nobody can tell a changed row from one removed and one added
    key: tuple[str, ...]  # () when rows were compared as a whole
    note: str  # why no key was used, although one was asked for; or ""
    cells_changed: tuple[tuple[str, int], ...]  # (column, changed rows that differ in it), most first; needs a key
    columns: tuple[ColumnChange, ...]  # how each common column's values moved, most first


def diff_tables(old: Sequence[File], new: Sequence[File], blobs: Blobs, *, key: Sequence[str] = ()) -> TableDifference:
    """Compare two tables, each in one or several files.

    Files with the same bytes on both sides are not opened for rows. Rows are told apart by a 64-bit hash (with n rows,
    two different ones look the same with probability about n²/2⁶⁵). With a `key` that names rows on both sides, a row
    whose other values differ counts as changed; without one, tables are multisets of rows. Memory: 8 bytes per row of
    the files that differ, and one column at a time.

    Raises:
        DataError: `key` names a column that is not there, or a file is no table.
    """
    try:
        return _diff(old, new, blobs, tuple(key))
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        names = ", ".join(file.name for file in (*old, *new)[:3])
        raise DataError(
            what=f"the rows of {names} can't be compared",
            why=(str(error).splitlines() or [type(error).__name__])[0],
            fix="see the files alone with --files, or add a file that is Parquet or CSV in UTF-8",
        ) from error


def _diff(old: Sequence[File], new: Sequence[File], blobs: Blobs, key: tuple[str, ...]) -> TableDifference:
    before, after = _frame(old, blobs), _frame(new, blobs)
    types, types_now = before.collect_schema(), after.collect_schema()
    common = [name for name in types_now if name in types]
    for name in key:
        if name not in common:
            raise DataError(
                what=f"there is no column `{name}` to tell rows by",
                why="a key must stand in both versions",
                fix=did_you_mean(name, common),
            )
    first, second = _unshared(old, new)
    sides = [
        _aligned(_frame(files or side[:1], blobs, empty=not files), common, types, types_now)
        for files, side in ((first, old), (second, new))
    ]
    added, removed, changed, cells, note = _rows(sides[0], sides[1], common, key)
    return TableDifference(
        columns_added=tuple((name, str(kind)) for name, kind in types_now.items() if name not in types),
        columns_removed=tuple((name, str(kind)) for name, kind in types.items() if name not in types_now),
        columns_retyped=tuple(
            (name, str(types[name]), str(types_now[name])) for name in common if types[name] != types_now[name]
        ),
        rows_before=_height(before),
        rows_after=_height(after),
        rows_added=added,
        rows_removed=removed,
        rows_changed=changed,
        key=() if note else key,
        note=note,
        cells_changed=cells,
        columns=column_changes(before, after, common) if first or second else (),
    )


def _frame(files: Sequence[File], blobs: Blobs, *, empty: bool = False) -> pl.LazyFrame:
    frames = [scan(file, blobs) for file in files]
    frame = frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")
    return frame.clear() if empty else frame


def _unshared(old: Sequence[File], new: Sequence[File]) -> tuple[list[File], list[File]]:
    """Return the files of each side without those that stand on both: their rows cancel out."""
    shared = Counter(file.digest for file in old) & Counter(file.digest for file in new)
    sides = []
    for files in (old, new):
        left, rest = shared.copy(), []
        for file in files:
            if left[file.digest]:
                left[file.digest] -= 1
            else:
                rest.append(file)
        sides.append(rest)
    return sides[0], sides[1]


def _aligned(frame: pl.LazyFrame, common: Sequence[str], types: pl.Schema, types_now: pl.Schema) -> pl.LazyFrame:
    """Return the common columns in types that both sides can be compared in."""
    casts = []
    for name in common:
        one, other = types[name], types_now[name]
        if one != other and one.is_numeric() and other.is_numeric():
            casts.append(pl.col(name).cast(pl.Float64))
        elif one != other or isinstance(one, pl.Categorical | pl.Enum):  # a category's code depends on its file
            casts.append(pl.col(name).cast(pl.String))
        else:
            casts.append(pl.col(name))
    return frame.select(casts)


def _rows(
    old: pl.LazyFrame, new: pl.LazyFrame, common: list[str], key: tuple[str, ...]
) -> tuple[int, int, int | None, tuple[tuple[str, int], ...], str]:
    if not common:
        return _height(new), _height(old), None, (), ""
    if key:
        keyed = [
            side.select(*key, pl.struct(common).hash(seed=0).alias(_HASH)).collect(engine="streaming")
            for side in (old, new)
        ]
        if all(side.select(key).is_unique().all() for side in keyed):
            return (*_by_key(keyed[0], keyed[1], old, new, key), "")
    note = f"{', '.join(key)} names more than one row, so rows were compared as a whole" if key else ""
    counts = [
        side.select(pl.struct(common).hash(seed=0).alias(_HASH))
        .group_by(_HASH)
        .agg(pl.len().cast(pl.Int64).alias(name))
        .collect(engine="streaming")
        for side, name in ((old, _OLD), (new, _NEW))
    ]
    both = counts[0].join(counts[1], on=_HASH, how="full", coalesce=True)
    gap = both.select((pl.col(_NEW).fill_null(0) - pl.col(_OLD).fill_null(0)).alias("gap"))["gap"]
    return int(gap.clip(lower_bound=0).sum()), int(-gap.clip(upper_bound=0).sum()), None, (), note


def _by_key(
    before: pl.DataFrame, after: pl.DataFrame, old: pl.LazyFrame, new: pl.LazyFrame, key: tuple[str, ...]
) -> tuple[int, int, int, tuple[tuple[str, int], ...]]:
    both = before.join(after, on=key, how="inner", suffix="_now", nulls_equal=True)
    differ = both.filter(pl.col(_HASH) != pl.col(f"{_HASH}_now")).select(key)
    cells: dict[str, int] = {}
    if differ.height:
        pairs = old.join(differ.lazy(), on=key, how="semi", nulls_equal=True).join(
            new.join(differ.lazy(), on=key, how="semi", nulls_equal=True),
            on=key, how="inner", suffix="__now", nulls_equal=True,
        )  # fmt: skip
        others = [name for name in old.collect_schema() if name not in key]
        counted = pairs.select(pl.col(name).ne_missing(pl.col(f"{name}__now")).sum() for name in others)
        cells = counted.collect(engine="streaming").row(0, named=True)
    most = sorted(((name, count) for name, count in cells.items() if count), key=lambda pair: (-pair[1], pair[0]))
    return after.height - both.height, before.height - both.height, differ.height, tuple(most)


def _height(frame: pl.LazyFrame) -> int:
    return frame.select(pl.len()).collect(engine="streaming").item()
