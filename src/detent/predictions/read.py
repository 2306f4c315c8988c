"""Predictions of a time window, from Parquet and from segments that are not yet in Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from detent.predictions import places
from detent.predictions.frames import KEY, SCHEMA, at
from detent.predictions.parts import scan
from detent.predictions.tails import Tails, shared

_ORDER = ["time", "id", "arm", "version"]


def read(
    state: Path,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    include_open: bool = True,
    tails: Tails | None = None,
    columns: Sequence[str] | None = None,
    where: pl.Expr | None = None,
) -> pl.DataFrame:
    """Return the predictions with since <= time < until (None: no bound), each once, sorted by time and id.

    Columns: see `frames.SCHEMA`; `inputs` is a JSON object, see `expand_inputs`. One row per (id, arm, version): a row
    of arm "live" for each prediction, one of arm "fallback" when another version stepped in, one of arm "shadow" per
    shadow. With `include_open` the rows that workers wrote a moment ago are in it.

    Only what is asked for is read: Parquet files (one per segment and day) outside of the window are left alone but for
    their footer, and so are columns that are not named; segments that are not yet in Parquet, and small files, are
    decoded whole. What is little of that is kept for the next reader; a caller that keeps one `Tails` pays for each row
    of the segments once, however many there are.

    Args:
        state: the project's state folder.
        since: the earliest time.
        until: the time before which rows lie.
        include_open: also rows of segments that are still written.
        tails: what was decoded by earlier calls; None: what this process keeps. A new one reads every byte again.
        columns: those to return, in this order; None: all. `inputs` is most of a log.
        where: a condition on columns of the log, for example an endpoint, versions or a range of ids.
    """
    names = list(SCHEMA) if columns is None else list(columns)
    needed = list(dict.fromkeys((*names, *_ORDER)))
    wanted = _wanted(since, until, where)
    known = tails or shared(state)
    # Segments first: a segment that is moved to Parquet in between is then seen twice (and taken once), never missed.
    frames = known.frames(places.segments(state), include_open=include_open, since=since, until=until)
    small, large = known.parts(_paths(places.parquet(state), since, until))
    if tails is None:
        known.forget_much()
    frames += small
    found = [pl.concat(frames).lazy().filter(wanted).select(needed).collect()] if frames else []
    found += _scanned(large, wanted=wanted, columns=needed)
    if not found:
        return pl.DataFrame(schema={name: SCHEMA[name] for name in names})
    rows = _once(pl.concat(found)).sort(_ORDER)
    return rows if names == needed else rows[names]


def _once(rows: pl.DataFrame) -> pl.DataFrame:
    """Return each row once; where all ids differ, as they mostly do, there is nothing to compare."""
    if rows["id"].n_unique() == rows.height:
        return rows
    return rows.unique(KEY, keep="first", maintain_order=True)


def _wanted(since: datetime | None, until: datetime | None, where: pl.Expr | None) -> pl.Expr:
    conditions = [] if where is None else [where]
    if since is not None:
        conditions.append(pl.col("time") >= at(since))
    if until is not None:
        conditions.append(pl.col("time") < at(until))
    return pl.all_horizontal(conditions) if conditions else pl.lit(value=True)


def _paths(folder: Path, since: datetime | None, until: datetime | None) -> list[Path]:
    """Return the Parquet files of the days that a window touches."""
    last = None if until is None else (until - timedelta(microseconds=1)).date()
    return list(places.parts(folder, None if since is None else since.date(), last))


def _scanned(paths: Sequence[Path], *, wanted: pl.Expr, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield what is wanted of Parquet files; a file's statistics say whether it can hold any of it."""
    if not paths:
        return
    try:
        yield scan(paths).filter(wanted).select(columns).collect()  # one scan of all costs little more than of one
    except FileNotFoundError:
        for path in paths:
            with suppress(FileNotFoundError):  # its day was too old and is being removed
                yield scan([path]).filter(wanted).select(columns).collect()
