"""The rows of a source outside: what is stored already when nothing changed there, else what it says now."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import polars as pl

from detent.data.parts import read_snapshot, take_snapshot
from detent.data.source import read_table
from detent.data.sources import open_source
from detent.data.sources.decide import ASK, REST, Remembered, first_move, may_use_last, second_move
from detent.data.sources.origin import origin_of
from detent.data.sources.protocol import Reader, UnreachableError, silent
from detent.errors import StoreError, TamperedError
from detent.records.project import Source
from detent.store.blobs import Blobs
from detent.store.clock import iso

T = TypeVar("T")
PAUSES = (0.1, 0.4)  # seconds before the second and the third attempt to reach a source


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Every row of a source, and what is to be remembered about it."""

    frame: pl.DataFrame
    remembered: Remembered
    stale: str  # why rows of an earlier reading are used though the source did not answer; "": they are up to date


def fetch(
    source: Source, *, folder: Path, blobs: Blobs, now: datetime, remembered: Remembered | None
) -> Fetched:  # fmt: skip
    """Return the rows of a source outside; they are read only when it changed as far as its `changes` can tell.

    Rows that are remembered but missing or damaged in the store are read again.

    Raises:
        UnreachableError: it does not answer, and `or last` is not declared or nothing was read before.
        DataError: it answers, and not with a table.
    """
    origin = origin_of(source)
    try:
        move = first_move(source.changes, remembered, origin=origin, now=now)
        reader = open_source(source, folder) if move != REST else None
        if reader is not None and move == ASK and remembered is not None:
            version = _tried(reader.version)
            move = second_move(remembered, version)
        if move == REST and remembered is not None:
            frame = _stored(remembered, blobs)
            if frame is not None:
                asked = remembered.asked if reader is None else iso(now)
                return Fetched(frame=frame, remembered=replace(remembered, asked=asked), stale="")
        return _read(source, reader or open_source(source, folder), origin, blobs, now)
    except UnreachableError as error:
        frame = _stored(remembered, blobs) if may_use_last(source.changes, remembered, origin=origin) else None
        if frame is None or remembered is None:
            raise
        return Fetched(frame=frame, remembered=remembered, stale=error.why)


def _read(source: Source, reader: Reader, origin: str, blobs: Blobs, now: datetime) -> Fetched:
    reading = _tried(reader.read)
    if not reading.version and source.changes is not None and source.changes.kind == "etag":
        raise silent(source)
    content = reading.content
    frame = read_table(content, source) if isinstance(content, bytes) else content
    snapshot = take_snapshot(frame, dataset=source.name, source=lineage(source), as_of=None, blobs=blobs)
    remembered = Remembered(
        dataset=source.name, origin=origin, version=reading.version, snapshot=snapshot, asked=iso(now), read=iso(now)
    )
    # The rows as they come out of the store: whoever reads them from there next time gets the very same frame.
    return Fetched(frame=read_snapshot(snapshot, blobs), remembered=remembered, stale="")


def lineage(source: Source) -> str:
    """Return where the rows come from, as declared."""
    return source.source if source.sql is None else f"{source.source} {' '.join(source.sql.split())}"


def _stored(remembered: Remembered | None, blobs: Blobs) -> pl.DataFrame | None:
    """Return the rows that were read last; None when the store has lost or damaged them."""
    try:
        return None if remembered is None else read_snapshot(remembered.snapshot, blobs)
    except (StoreError, TamperedError):
        return None


def _tried(action: Callable[[], T]) -> T:
    for pause in PAUSES:
        try:
            return action()
        except UnreachableError:
            time.sleep(pause)
    return action()
