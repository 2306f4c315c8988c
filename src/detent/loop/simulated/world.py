"""History in full, from which a simulation deals out only what is known at each virtual moment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from detent.data.ingest import ingest
from detent.data.target import with_labels
from detent.errors import DataError, Place
from detent.loop.classes import refuse_classes
from detent.loop.runs.datasets import feature_rows, hide_label, known_frames
from detent.loop.workspace import Workspace
from detent.store.clock import parse

DAY = timedelta(days=1)
BOOTSTRAP_SHARE = 0.2  # of the history's days, when `simulate.start` is not given


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that will happen."""

    frames: Mapping[str, pl.DataFrame]  # every dataset, whole
    rows: pl.DataFrame  # sampled rows to predict, by time, from start to until
    labels: pl.DataFrame  # key, label, known_at (never null), one row per labelled key
    start: datetime  # first live midnight
    until: datetime  # midnight after the last live day


def open_world(ws: Workspace) -> World:
    """Read the whole history and choose the live rows.

    Raises:
        DataError: a dataset is broken, or nothing lies between start and until.
        ProjectError: the project has several classes.
    """
    refuse_classes(ws.project, "a replay of the history")
    project, plan = ws.project, ws.project.simulate
    frames = {
        source.name: ingest(source, folder=ws.folder, blobs=ws.blobs, as_of=None).frame for source in project.data
    }
    source = project.source(project.features.rows)
    key, when = str(source.key), str(source.time)
    times = frames[source.name][when]
    first, last = _midnight(times.min()), _midnight(times.max()) + DAY
    start = parse(plan.start) if plan.start else first + round((last - first).days * BOOTSTRAP_SHARE) * DAY
    until = min(parse(plan.until), last) if plan.until else last
    live = frames[source.name].filter((pl.col(when) >= start) & (pl.col(when) < until)).sort(when, maintain_order=True)
    if live.is_empty() or start <= first:
        raise DataError(
            what="there is nothing to replay",
            why=f"`{source.name}` runs from {first:%Y-%m-%d} to {last:%Y-%m-%d} and the replay would run from "
            f"{start:%Y-%m-%d} to {until:%Y-%m-%d}",
            fix="set simulate.start to a date inside the history, with enough history before it to train on",
            where=Place(file="detent.yaml", field="simulate.start"),
        )
    chosen = live.filter(_sampled(live[key], plan.sample))
    return World(frames=frames, rows=chosen, labels=_labels(ws, frames), start=start, until=until)


def features_between(ws: Workspace, world: World, start: datetime, end: datetime) -> pl.DataFrame:
    """Return the features of the live rows of a span, made from tables that end with the span."""
    source = ws.project.source(ws.project.features.rows)
    rows = world.rows.filter((pl.col(str(source.time)) >= start) & (pl.col(str(source.time)) < end))
    if rows.is_empty():
        return rows
    return feature_rows(ws, known_frames(ws.project, world.frames, end), hide_label(ws.project, rows))


def check_no_future(ws: Workspace, world: World, features: pl.DataFrame) -> None:
    """Make one row's features anew from what was known at its very moment; they must be the same.

    Raises:
        DataError: naming the features that looked into the future.
    """
    source = ws.project.source(ws.project.features.rows)
    key, when = str(source.key), str(source.time)
    served = features[features.height // 2]
    row = world.rows.filter(pl.col(key) == served[key][0])
    past = known_frames(ws.project, world.frames, row[when][0])
    again = feature_rows(ws, past, hide_label(ws.project, row))
    differs = [
        name
        for name in again.columns
        if name in served.columns and not served[name].equals(again[name], null_equal=True)
    ]
    if differs:
        raise DataError(
            what=f"features look into the future: {', '.join(differs)}",
            why=f"for {key} {served[key][0]!r} they come out differently when made from only what was known by "
            f"{row[when][0]}",
            fix=f"join with times at or before `{when}`, for example with detent.features.latest_known",
            where=Place(file=ws.project.features.function),
        )


def _labels(ws: Workspace, frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    target = ws.project.target
    rows, labelled = ws.project.source(ws.project.features.rows), ws.project.source(target.data)
    key = str(rows.key)
    found = with_labels(
        frames[rows.name].select(key), frames[target.data], target=target, key=key, as_of=None, time=labelled.time
    ).frame
    known_at = target.known_at or labelled.time
    if known_at is None:
        times = frames[rows.name].select(key, known_at=pl.col(str(rows.time)))
    else:
        times = frames[target.data].select(key, known_at=pl.col(known_at)).drop_nulls()
    times = times.sort("known_at").unique(key, keep="last", maintain_order=True)
    return found.select(key, pl.col(target.column).cast(pl.Float64).alias("label")).join(times, on=key, how="inner")


def _sampled(keys: pl.Series, share: float) -> pl.Series:
    """True for a share of the keys, chosen by their text alone, so that a key is in or out whatever else changes."""
    if share >= 1:
        return pl.Series([True]).new_from_index(0, len(keys))
    limit = int(share * 2**32)
    return pl.Series(
        [int.from_bytes(hashlib.blake2b(str(key).encode(), digest_size=4).digest()) < limit for key in keys]
    )


def _midnight(moment: object) -> datetime:
    assert isinstance(moment, datetime)  # the decoder made the column a UTC datetime
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
