"""Predictions of a time window, from Parquet and from segments that are not yet in Parquet."""

from __future__ import annotations

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
) -> pl.DataFrame:
    """Return the predictions with since <= time < until (None: no bound), each once, sorted by time and id.

    Columns: see `frames.SCHEMA`; `inputs` is a JSON object, see `expand_inputs`. One row per (id, arm, version): a row
    of arm "live" for each prediction, one of arm "fallback" when another version stepped in, one of arm "shadow" per
    shadow. With `include_open` the rows that workers wrote a moment ago are in it. Cost: the days of the window, plus
    the segments that are not yet in Parquet; a caller that keeps one `Tails` pays for each of their rows once.
    """
    # Segments first: a segment that is moved to Parquet in between is then seen twice (and taken once), never missed.
    frames = (tails or Tails()).frames(places.segments(state), include_open=include_open, since=since, until=until)
    last = None if until is None else (until - timedelta(microseconds=1)).date()
    for path in places.parts(places.parquet(state), None if since is None else since.date(), last):
        with suppress(FileNotFoundError):  # its day was too old and is being removed
            frames.append(pl.read_parquet(path, hive_partitioning=False))
    if not frames:
        return pl.DataFrame(schema=SCHEMA)
    frame = pl.concat(frames, how="diagonal")  # older files lack the newer columns
    if since is not None:
        frame = frame.filter(pl.col("time") >= since)
    if until is not None:
        frame = frame.filter(pl.col("time") < until)
    return frame.unique(KEY, keep="first", maintain_order=True).sort(_ORDER)
