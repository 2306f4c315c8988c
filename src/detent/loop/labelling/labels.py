"""Fetch the truth: labels out of files and databases, and those that came before their prediction was logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import polars as pl

from detent.errors import DetentError
from detent.loop.labelling.label_faults import name_of, note_fault, note_recovery
from detent.loop.labelling.streams import Streams
from detent.loop.workspace import Workspace
from detent.plugins import load
from detent.predictions import LabelCounts, asides, orphans, record
from detent.predictions.looks import Look, last_look, save_look
from detent.predictions.sources.protocol import Aside, Batch, Fetch, LabelError, Stream, shown
from detent.predictions.sources.tidy import tidy, until
from detent.project.labels import QUERY, TOPIC
from detent.records.event import Fact
from detent.records.prediction import Label
from detent.records.project import LabelSource
from detent.store import ledger
from detent.store.clock import iso

WAITING = "labels without a prediction"
AGAIN = timedelta(hours=1)  # so often they are looked at anew
KEPT = timedelta(days=90)  # and so long they are kept
LATE = timedelta(days=1)  # rows of a database may become visible so long after the time that they say
AT_ONCE = 2_000  # labels per transaction: serving processes write labels as well, and wait meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of one table of labels."""

    counts: LabelCounts
    left_out: tuple[tuple[str, int], ...]  # (why, rows)
    waiting: int  # rows whose truth is not known yet
    rejected: tuple[tuple[int, str], ...] = ()  # (number of the row, why) of those left out


def collect(ws: Workspace, streams: Streams | None = None) -> LabelCounts:
    """Read each place that is due, once. What can't be read is written down, and the others are read all the same.

    `streams`: what reads streams beside the looks; None: each one is waited for.
    """
    counts = _find_again(ws)
    if streams is not None:
        streams.begin()
    for source in ws.project.monitor.labels:
        name = name_of(source)
        look = last_look(ws.db, name)
        if look is None or not look.at <= ws.now() < look.at + source.every:
            counts += _look_at(ws, source, name, look, streams)
    return counts


def take(ws: Workspace, raw: pl.DataFrame, source: LabelSource, *, since: datetime | None = None) -> Taken:
    """Store the labels of a table that are known now and later than `since`.

    Raises:
        LabelError: it lacks a declared column.
    """
    target = ws.project.target
    tidied = tidy(raw, source, now=ws.now(), binary=target.task == "binary", classes=target.classes)
    rows = tidied.rows if since is None else tidied.rows.filter(pl.col("at") > since)
    found = orphans.resolve(ws.state, rows, field=source.field, endpoint=ws.project.serving.endpoint)
    news = orphans.unheard(ws.db, found.known)
    counts = LabelCounts(duplicate=found.known.height - news.height)
    marked = news.with_columns(arrived_at=pl.lit(ws.now()), source=pl.lit(shown(source)))
    counts += _store(ws, marked)
    for some in found.unknown.iter_slices(AT_ONCE):
        with ws.db.transaction() as tx:
            new = orphans.keep(tx, some, field=source.field, arrived=ws.now(), source=shown(source))
        counts += LabelCounts(orphan=new)
    return Taken(counts=counts, left_out=tidied.left_out, waiting=tidied.waiting, rejected=tidied.rejected)


def recorded(ws: Workspace, source: str, counts: LabelCounts, left_out: Mapping[str, int]) -> Fact:
    """Return the fact that labels came in."""
    numbers = {"new": counts.new, "duplicate": counts.duplicate, "corrected": counts.corrected,
               "stale": counts.stale, "orphan": counts.orphan}  # fmt: skip
    payload = {"source": source, **numbers, "left_out": dict(left_out)}
    return Fact(kind="labels.recorded", subject=f"model:{ws.model}", actor=ws.actor, payload=payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What one look at a place brought. Its labels are stored."""

    counts: LabelCounts
    left_out: tuple[tuple[str, int], ...]
    version: str = ""
    aside: tuple[Aside, ...] = ()
    more: bool = False
    settle: Callable[[], None] | None = None  # tells the place that all of it is stored


def _look_at(ws: Workspace, source: LabelSource, name: str, look: Look | None, streams: Streams | None) -> LabelCounts:
    try:
        if source.source.startswith(TOPIC):
            batch = _next_batch(source, name, streams)
            if batch is None:
                return LabelCounts()
            seen = _drained(ws, source, batch)
        else:
            seen = _read(ws, source, look)
    except DetentError as error:
        note_fault(ws, source, name, look, error)
        return LabelCounts()
    noted = _noted(ws, source, name, look, seen)
    if seen.settle is not None:
        try:
            seen.settle() if streams is None else streams.settle(name, seen.settle)
        except DetentError as error:  # what is stored is read again, and counts once
            note_fault(ws, source, name, noted, error)
    return seen.counts


def _noted(ws: Workspace, source: LabelSource, name: str, look: Look | None, seen: _Seen) -> Look:
    """Remember a look at a place that could be read."""
    fault, counts = "; ".join(f"{rows:,} rows left out: {why}" for why, rows in seen.left_out), seen.counts
    at = ws.now() - source.every if seen.more else ws.now()  # what has more is due again
    noted = Look(at=at, read=ws.now(), version=seen.version, fault=fault)
    with ws.db.transaction() as tx:
        save_look(tx, name, noted)
        note_recovery(ws, tx, source, look)
        asides.set_aside(tx, shown(source), seen.aside, now=ws.now())
        if seen.settle is not None:
            asides.forget_asides(tx, ws.now() - KEPT)
        if counts.new or counts.corrected or counts.orphan or fault != (look.fault if look else ""):
            ledger.append(tx, recorded(ws, shown(source), counts, dict(seen.left_out)), ws.now())
    return noted


def _next_batch(source: LabelSource, name: str, streams: Streams | None) -> Batch | None:
    stream: Stream = load("label_stream", "kafka")
    return stream(source) if streams is None else streams.batch(name, partial(stream, source))


def _read(ws: Workspace, source: LabelSource, look: Look | None) -> _Seen:
    """Read a file or a query."""
    since = look.read if look is not None else None
    fetch: Fetch = load("labels", "sql" if source.source.startswith(QUERY) else "file")
    fetched = fetch(source, ws.folder, None if since is None else since - LATE)
    # A place that changed may have new rows about old times; so may one of which nobody can tell.
    same = look is not None and source.at is not None and fetched.version == look.version != ""
    taken = take(ws, fetched.rows, source, since=since if same else None)
    return _Seen(counts=taken.counts, left_out=taken.left_out, version=fetched.version)


def _drained(ws: Workspace, source: LabelSource, batch: Batch) -> _Seen:
    """Store a batch of a stream; what of it is no label is set aside, and holds up nothing."""
    counts, aside, timed = LabelCounts(), list(batch.aside), replace(source, at=batch.time)
    for frame in batch.frames:
        bodies = frame.drop(batch.place).write_ndjson().splitlines()
        try:
            taken = take(ws, until(frame, batch.time, source, now=ws.now()), timed)
            counts, bad = counts + taken.counts, taken.rejected
        except LabelError as error:  # of a kind that no label has, all of them
            bad = tuple((row, error.why) for row in range(frame.height))
        places = frame[batch.place]
        aside += [Aside(place=places[row], why=why, message=bodies[row]) for row, why in bad]
    left_out = Counter(dict(batch.left_out)) + Counter(one.why for one in aside)
    return _Seen(
        counts=counts, left_out=tuple(sorted(left_out.items())), aside=tuple(aside), more=batch.more,
        settle=batch.settle,
    )  # fmt: skip


def _find_again(ws: Workspace) -> LabelCounts:
    """Look for the predictions of labels that came too early."""
    look = last_look(ws.db, WAITING)
    if (look is not None and look.at <= ws.now() < look.at + AGAIN) or not orphans.count(ws.db):
        return LabelCounts()
    counts = LabelCounts()
    for (field,), some in orphans.waiting(ws.db).partition_by("field", as_dict=True).items():
        found = orphans.resolve(ws.state, some, field=str(field), endpoint=ws.project.serving.endpoint).known
        counts += _store(ws, found)
        with ws.db.transaction() as tx:
            orphans.adopt(tx, found)
    with ws.db.transaction() as tx:
        orphans.forget(tx, ws.now() - KEPT)
        save_look(tx, WAITING, Look(at=ws.now(), read=ws.now(), version="", fault=""))
        if counts.new or counts.corrected:
            ledger.append(tx, recorded(ws, WAITING, counts, {}), ws.now())
    return counts


def _store(ws: Workspace, labels: pl.DataFrame) -> LabelCounts:
    """Record labels: id, value, at, arrived_at, source."""
    counts = LabelCounts()
    for some in labels.iter_slices(AT_ONCE):
        with ws.db.transaction() as tx:
            counts += record(tx, list(_labels(some)))
    return counts


def _labels(rows: pl.DataFrame) -> Iterator[Label]:
    for id_, value, at, arrived, source in rows.select("id", "value", "at", "arrived_at", "source").iter_rows():
        yield Label(prediction_id=id_, value=value, at=iso(at), arrived=iso(arrived), source=source)
