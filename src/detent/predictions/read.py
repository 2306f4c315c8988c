"""Predictions of a time window, from Parquet and from segments that are not yet in Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from detent.predictions import places
from detent.predictions.frames import KEY, SCHEMA
from detent.predictions.tails import Tails

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
    their footer, and so are columns that are not named; segments that are not yet in Parquet are decoded whole. A
    caller that keeps one `Tails` pays for each of their rows once.

    Args:
        state: the project's state folder.
        since: the earliest time.
        until: the time before which rows lie.
        include_open: also rows of segments that are still written.
        tails: what was decoded by earlier calls.
        columns: those to return, in this order; None: all. `inputs` is most of a log.
        where: a condition on columns of the log, for example an endpoint, versions or a range of ids.
    """
    names = list(SCHEMA) if columns is None else list(columns)
    needed = list(dict.fromkeys((*names, *_ORDER)))
    wanted = _wanted(since, until, where)
    # Segments first: a segment that is moved to Parquet in between is then seen twice (and taken once), never missed.
    frames = (tails or Tails()).frames(places.segments(state), include_open=include_open, since=since, until=until)
    found = [frame.filter(wanted).select(needed) for frame in frames]
    found += _sealed(places.parquet(state), since, until, wanted=wanted, columns=needed)
    if not found:
        return pl.DataFrame(schema={name: SCHEMA[name] for name in names})
    return pl.concat(found).unique(KEY, keep="first", maintain_order=True).sort(_ORDER).select(names)


def _wanted(since: datetime | None, until: datetime | None, where: pl.Expr | None) -> pl.Expr:
    conditions = [] if where is None else [where]
    if since is not None:
        conditions.append(pl.col("time") >= since)
    if until is not None:
        conditions.append(pl.col("time") < until)
    return pl.all_horizontal(conditions) if conditions else pl.lit(value=True)


def _sealed(
    folder: Path, since: datetime | None, until: datetime | None, *, wanted: pl.Expr, columns: Sequence[str]
) -> Iterator[pl.DataFrame]:
    """Yield what is wanted of each Parquet file; the file's statistics say whether it can hold any of it."""
    last = None if until is None else (until - timedelta(microseconds=1)).date()
    for path in places.parts(folder, None if since is None else since.date(), last):
        with suppress(FileNotFoundError):  # its day was too old and is being removed
            rows = pl.scan_parquet(
                path,
                schema=SCHEMA,
                missing_columns="insert",  # older files lack the newer columns
                extra_columns="ignore",
                hive_partitioning=False,
                glob=False,
            )
            yield rows.filter(wanted).select(columns).collect()
