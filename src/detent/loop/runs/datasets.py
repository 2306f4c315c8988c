"""Bring the project's data in: ingest, hold it against its contracts, lineage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from detent.data import store
from detent.data.expect import store as checks
from detent.data.ingest import Ingested, ingest
from detent.data.sources import store as sources
from detent.data.stamp import Stamp, is_outside
from detent.errors import DataError, Place, did_you_mean
from detent.features.build import build_features
from detent.loop.runs.contracts import checked_fact, hold
from detent.loop.workspace import PipelineWorkspace, Workspace
from detent.project.code import load_callable
from detent.records.event import Fact
from detent.records.expectation import DataCheck
from detent.records.project import PipelineProject, Project, Source
from detent.records.snapshot import Snapshot
from detent.store import ledger
from detent.store.clock import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Datasets:
    """Every dataset of the project as it was known at a moment."""

    as_of: datetime | None
    snapshots: Mapping[str, Snapshot]
    frames: Mapping[str, pl.DataFrame]
    checks: Mapping[str, DataCheck]  # what each contract came to, by dataset; a failure raised before
    failing: Mapping[str, pl.DataFrame]  # rows that break a promise which only warns, by their blob's digest
    stamps: Mapping[str, Stamp]  # of the sources as they were read: equal ones later mean that nothing changed
    stale: Mapping[str, str]  # datasets whose source did not answer, with the reason; their last rows are used
    until: datetime | None  # from then on sources must be asked, give other rows or break a freshness; None: never


def ingest_all(ws: PipelineWorkspace, as_of: datetime | None) -> Datasets:
    """Read every declared dataset, hold it against its contract, and store snapshots with their lineage.

    What the checks came to is stored and in the ledger also when they fail, with the rows that failed.

    Raises:
        DataError: a file is missing or empty, a declared column is missing, or a contract is broken.
        UnreachableError: a source outside does not answer, and its last rows may not be used.
    """
    taken = {source.name: _ingest(ws, source, as_of) for source in ws.project.data}
    snapshots = {name: one.snapshot for name, one in taken.items()}
    frames = {name: one.frame for name, one in taken.items()}
    for source in ws.project.data:
        _check_declared(frames[source.name], source, ws.project)
        _check_times(frames[source.name], source)
    held = hold(ws, snapshots, frames, now=as_of or ws.now())
    with ws.db.transaction() as tx:
        for one in taken.values():
            store.save(tx, one.snapshot, ws.now())
            if one.remembered is not None:
                sources.save(tx, one.remembered)
        for check in held.checks.values():
            checks.save(tx, check, ws.now())
        if held.checks:
            ledger.append(tx, checked_fact(ws, held.checks), ws.now())
        if held.error is None:
            ledger.append(tx, _ingested(ws, taken), ws.now())
    if held.error is not None:
        raise held.error
    moments = [held.until, *(moment for one in taken.values() for moment in _turns(one, ws.now()))]
    return Datasets(
        as_of=as_of,
        snapshots=snapshots,
        frames=frames,
        checks=held.checks,
        failing=held.failing,
        stamps={name: one.stamp for name, one in taken.items()},
        stale={name: one.stale for name, one in taken.items() if one.stale},
        until=min((moment for moment in moments if moment is not None), default=None),
    )


def _turns(one: Ingested, now: datetime) -> list[datetime | None]:
    """Return the moments from which this source's rows are others, or from which it must be asked again."""
    if one.stale:
        return [now]
    return [one.next_cut, parse(one.stamp.until) if one.stamp.until else None]


def _ingest(ws: PipelineWorkspace, source: Source, as_of: datetime | None) -> Ingested:
    return ingest(
        known_by(source, ws.project),
        folder=ws.folder,
        blobs=ws.blobs,
        as_of=as_of,
        now=ws.now(),
        remembered=sources.load(ws.db, source.name) if is_outside(source) else None,
    )


def feature_rows(ws: Workspace, frames: Mapping[str, pl.DataFrame], rows: pl.DataFrame) -> pl.DataFrame:
    """Return the features of some rows of the dataset that is predicted, made by the project's one feature function."""
    declared = ws.project.features
    function = load_callable(declared.function, ws.folder)
    return build_features(function, {**frames, declared.rows: rows}, rows=ws.project.source(declared.rows))


def feature_columns(ws: Workspace, frames: Mapping[str, pl.DataFrame]) -> frozenset[str]:
    """Return the names of the feature columns, from a few rows."""
    source = ws.project.source(ws.project.features.rows)
    made = feature_rows(ws, frames, frames[source.name].head(20))
    return frozenset(made.columns) - {source.key, source.time}


def known_frames(project: Project, frames: Mapping[str, pl.DataFrame], moment: datetime) -> dict[str, pl.DataFrame]:
    """Return every dataset with only the rows whose time has come by a moment."""
    return {
        source.name: frames[source.name].filter(pl.col(source.time) <= moment) if source.time else frames[source.name]
        for source in project.data
    }


def hide_label(project: Project, rows: pl.DataFrame) -> pl.DataFrame:
    """Blank the label, and when it became known, in rows that are still to be predicted, if the same table has them."""
    target = project.target
    if target.data != project.features.rows:
        return rows
    hidden = [name for name in (target.column, target.known_at) if name is not None and name in rows.columns]
    return rows.with_columns(pl.lit(None, dtype=rows.schema[name]).alias(name) for name in hidden)


def known_by(source: Source, project: PipelineProject) -> Source:
    """Return the source with the time at which its rows may be trained on.

    A row of the dataset that holds the label is known when its label is: a row whose label is still to come must not
    reach training, neither as an unlabelled row nor, worse, with a label from the future.
    """
    target = project.target
    if target is not None and source.name == target.data and target.known_at is not None:
        return replace(source, time=target.known_at)
    return source


def _check_declared(frame: pl.DataFrame, source: Source, project: PipelineProject) -> None:
    """Refuse a table that lacks a column which detent.yaml names."""
    wanted = {"time": source.time, "key": source.key}
    target = project.target
    if target is not None and source.name == target.data:
        wanted |= {"target": target.column, "target.known_at": target.known_at}
    for role, column in wanted.items():
        if column is not None and column not in frame.columns:
            raise DataError(
                what=f"column `{column}` is not in dataset `{source.name}`",
                why=f"detent.yaml declares it as `{role}`, and {source.source} does not have it",
                fix=did_you_mean(column, frame.columns),
                where=Place(file="detent.yaml", line=source.line, field=f"data.{source.name}"),
            )


def _check_times(frame: pl.DataFrame, source: Source) -> None:
    """Refuse rows without a time; `ingest` looks at the column that says when rows are known, which may be another one.

    Raises:
        DataError: the dataset's time column holds no timestamps, or a row has none.
    """
    if source.time is None:
        return
    times = frame[source.time]
    where = Place(file="detent.yaml", line=source.line, field=f"data.{source.name}.time")
    if not isinstance(times.dtype, pl.Datetime):
        raise DataError(
            what=f"`{source.time}` of `{source.name}` is {times.dtype}, not a time",
            why="detent.yaml declares it as `time`: it says when a row asks for its prediction",
            fix="store it as a timestamp, or declare another column",
            where=where,
        )
    if times.null_count():
        first = int(times.is_null().arg_true()[0])
        raise DataError(
            what=f"{times.null_count():,} rows of `{source.name}` have no `{source.time}`",
            why=f"the first is row {first} (counted from 0); nobody knows when it happened",
            fix=f"fill `{source.time}`, or leave such rows out",
            where=where,
        )


def _ingested(ws: PipelineWorkspace, taken: Mapping[str, Ingested]) -> Fact:
    return Fact(
        kind="data.ingested",
        subject=f"project:{ws.project.name}",
        actor=ws.actor,
        payload={name: {"snapshot": one.snapshot.id, "rows": one.snapshot.rows} for name, one in taken.items()},
        observed={name: {"stale": one.stale} for name, one in taken.items() if one.stale},
    )
