"""A declared source, cut at a moment -> a snapshot and its rows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from detent.data.parts import bounds, list_parts, put_part
from detent.data.place import place_of
from detent.data.source import read_file, read_table
from detent.data.sources.decide import Remembered
from detent.data.sources.fetch import Fetched, fetch, lineage
from detent.data.stamp import ALWAYS, Stamp, is_outside, outside_stamp
from detent.data.times import all_utc, utc_column
from detent.errors import DataError, Place, did_you_mean
from detent.records.project import Source
from detent.records.snapshot import Part, Snapshot
from detent.store.blobs import Blobs
from detent.store.canonical import digest
from detent.store.clock import parse

SHOWN = 5  # duplicated keys that an error lists


@dataclass(frozen=True, slots=True)
class _Table:
    """A parsed source file."""

    frame: pl.DataFrame  # datetimes in UTC, rows in the file's order
    growing: bool  # time ascends and is never null: every cut is a prefix
    unique: bool  # no key stands twice in the whole file
    parts: dict[tuple[int, int], Part]  # parts stored so far, by (start, stop) of a prefix


# What was parsed lately, by everything it depends on. A controller cuts the same file at many moments; the file's bytes
# are read and hashed each time, so an edited file is never missed.
_recent: OrderedDict[tuple[str, str | None, str | None], _Table] = OrderedDict()
_RECENT_TABLES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """A snapshot, its rows, and what says whether a later ingestion could differ."""

    snapshot: Snapshot
    frame: pl.DataFrame
    stamp: Stamp  # of the source as it was read; an equal one later means that it did not change
    next_cut: datetime | None  # the first moment after `as_of` at which the cut holds another row; None: never
    remembered: Remembered | None  # of a source outside: what the table `sources` should hold from now on
    stale: str  # why rows of an earlier reading are used although the source did not answer; "": they are up to date


def ingest(
    source: Source,
    *,
    folder: Path,
    blobs: Blobs,
    as_of: datetime | None,
    now: datetime | None = None,
    remembered: Remembered | None = None,
) -> Ingested:
    """Read a source, keep the rows whose `time` is at or before `as_of`, and store them as a snapshot.

    Rows keep the source's order. Without a `time` column or without `as_of` every row is kept; with both, a row without
    a time is left out: nobody can say that it was known. Datetimes come out in UTC (a time without a zone is UTC).

    `remembered` is what is known of a source outside: one that has not changed since, as far as its `changes` can tell
    by `now` (None: the machine's time), is not read again.

    Raises:
        DataError: the source is missing, unreadable or empty, a declared column is missing, the time column holds no
            times, no row is left by `as_of`, or a key stands twice (the first ones are listed with their row numbers).
        UnreachableError: a source outside does not answer.
    """
    table, stamp, fetched = _read(source, folder, blobs, now or datetime.now(UTC), remembered)
    frame = _cut(table, source, as_of)
    if source.key is not None and not table.unique:
        _refuse_duplicates(frame, source, source.key)
    prefix = table.growing or frame.height == table.frame.height
    parts = [_part(table, frame, span, prefix, blobs) for span in bounds(frame.height)]
    return Ingested(
        snapshot=list_parts(frame, parts, dataset=source.name, source=lineage(source), as_of=as_of, blobs=blobs),
        frame=frame,
        stamp=stamp,
        next_cut=_next_cut(table, source, as_of),
        remembered=fetched.remembered if fetched is not None else None,
        stale=fetched.stale if fetched is not None else "",
    )


def _read(
    source: Source, folder: Path, blobs: Blobs, now: datetime, remembered: Remembered | None
) -> tuple[_Table, Stamp, Fetched | None]:
    if not is_outside(source):
        data, stamp = read_file(source, folder)
        return _table(digest(data), lambda: read_table(data, source), source), stamp, None
    found = fetch(source, folder=folder, blobs=blobs, now=now, remembered=remembered)
    known = found.remembered
    if found.stale:  # to be looked at again
        stamp = Stamp(kind=ALWAYS, value=(known.asked,))
    else:
        stamp = outside_stamp(source, version=known.version, asked=parse(known.asked))
    return _table(known.snapshot.id, lambda: found.frame, source), stamp, found


def _table(contents: str, read: Callable[[], pl.DataFrame], source: Source) -> _Table:
    """Return the parsed table of some contents, named by their digest."""
    key = (contents, source.time, source.key)
    if key in _recent:
        _recent.move_to_end(key)
        return _recent[key]
    frame = read()
    for role, column in (("time", source.time), ("key", source.key)):
        if column is not None and column not in frame.columns:
            raise _no_column(source, role, column, frame.columns)
    frame = all_utc(frame)
    growing = False
    if source.time is not None:
        moments = utc_column(frame[source.time], dataset=source.name, where=place_of(source, "time"))
        frame = frame.with_columns(moments)
        growing = moments.null_count() == 0 and moments.is_sorted()
    unique = source.key is None or (frame[source.key].n_unique() == frame.height and not frame[source.key].null_count())
    table = _Table(frame, growing, unique, {})
    _recent[key] = table
    while len(_recent) > _RECENT_TABLES:
        _recent.popitem(last=False)
    return table


def _next_cut(table: _Table, source: Source, as_of: datetime | None) -> datetime | None:
    if source.time is None or as_of is None:
        return None
    times = table.frame[source.time]
    later = times.filter(times > as_of).min()
    return later if isinstance(later, datetime) else None


def _cut(table: _Table, source: Source, as_of: datetime | None) -> pl.DataFrame:
    frame = table.frame
    if frame.height == 0:
        raise DataError(
            what=f"dataset `{source.name}` is empty",
            why=f"{source.source} has columns but no rows",
            fix="write the data first, or name another file",
            where=place_of(source),
        )
    if source.time is None or as_of is None:
        return frame.clone()
    kept = frame.filter(pl.col(source.time) <= as_of)
    if kept.height == 0:
        raise DataError(
            what=f"no row of `{source.name}` was known by {as_of.isoformat()}",
            why=f"the earliest `{source.time}` in {source.source} is {frame[source.time].min()}",
            fix="ask for a later moment, or put earlier data into the source",
            where=place_of(source, "time"),
        )
    return kept


def _part(table: _Table, frame: pl.DataFrame, span: tuple[int, int], prefix: bool, blobs: Blobs) -> Part:
    known = table.parts.get(span) if prefix else None
    if known is not None and blobs.has(known.digest):
        return known
    part = put_part(frame[span[0] : span[1]], blobs)
    if prefix:
        table.parts[span] = part
    return part


def _refuse_duplicates(frame: pl.DataFrame, source: Source, key: str) -> None:
    where = place_of(source, "key")
    if frame[key].null_count():
        row = int(frame[key].is_null().arg_true()[0])
        raise DataError(
            what=f"{frame[key].null_count():,} rows of `{source.name}` have no key",
            why=f"`{key}` is null, first in row {row}; a row without a key can't be joined to its label",
            fix=f"fill `{key}`, or leave such rows out",
            where=where,
        )
    twice = (
        frame.select(pl.col(key), row=pl.int_range(pl.len()))
        .group_by(key, maintain_order=True)
        .agg("row")
        .filter(pl.col("row").list.len() > 1)
    )
    if twice.height:
        raise _duplicates(source, key, twice, where)


def _duplicates(source: Source, key: str, twice: pl.DataFrame, where: Place) -> DataError:
    shown = "; ".join(
        f"{value!r} in rows {', '.join(map(str, rows[:SHOWN]))}" for value, rows in twice.head(SHOWN).rows()
    )
    more = f"; and {twice.height - SHOWN:,} more" if twice.height > SHOWN else ""
    return DataError(
        what=f"{twice.height:,} keys of `{source.name}` stand more than once",
        why=f"`{key}` must name one row (rows are counted from 0): {shown}{more}",
        fix=f"remove the repeated rows, or declare the column that really names a row as `key` of `{source.name}`",
        where=where,
    )


def _no_column(source: Source, role: str, column: str, known: list[str]) -> DataError:
    return DataError(
        what=f"column `{column}` is not in dataset `{source.name}`",
        why=f"detent.yaml declares it as the `{role}` column, and {source.source} does not have it",
        fix=did_you_mean(column, known),
        where=place_of(source, role),
    )
