"""Bring the project's data in: ingest, contract check, lineage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from detent.data import store
from detent.data.contract import check_contract
from detent.data.ingest import ingest
from detent.errors import DataError, Place, did_you_mean
from detent.features.build import build_features
from detent.loop.workspace import Workspace
from detent.project.code import load_callable
from detent.records.event import Fact
from detent.records.project import Project, Source
from detent.records.snapshot import Snapshot
from detent.store import ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Datasets:
    """Every dataset of the project as it was known at a moment."""

    as_of: datetime | None
    snapshots: Mapping[str, Snapshot]
    frames: Mapping[str, pl.DataFrame]


def ingest_all(ws: Workspace, as_of: datetime | None) -> Datasets:
    """Read every declared dataset, check its contract, and store snapshots with their lineage.

    Raises:
        DataError: a file is missing or empty, a declared column is missing, or a contract is broken.
    """
    snapshots: dict[str, Snapshot] = {}
    frames: dict[str, pl.DataFrame] = {}
    for source in ws.project.data:
        snapshot, frame = ingest(known_by(source, ws.project), folder=ws.folder, blobs=ws.blobs, as_of=as_of)
        _check_declared(frame, source, ws.project)
        _check_times(frame, source)
        if source.contract is not None:
            check_contract(frame, source.contract, folder=ws.folder, source=source)
        snapshots[source.name], frames[source.name] = snapshot, frame
    with ws.db.transaction() as tx:
        for snapshot in snapshots.values():
            store.save(tx, snapshot, ws.now())
        ledger.append(tx, _ingested(ws, snapshots), ws.now())
    return Datasets(as_of=as_of, snapshots=snapshots, frames=frames)


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


def known_by(source: Source, project: Project) -> Source:
    """Return the source with the time at which its rows may be trained on.

    A row of the dataset that holds the label is known when its label is: a row whose label is still to come must not
    reach training, neither as an unlabelled row nor, worse, with a label from the future.
    """
    if source.name == project.target.data and project.target.known_at is not None:
        return replace(source, time=project.target.known_at)
    return source


def _check_declared(frame: pl.DataFrame, source: Source, project: Project) -> None:
    """Refuse a table that lacks a column which detent.yaml names."""
    wanted = {"time": source.time, "key": source.key}
    if source.name == project.target.data:
        wanted |= {"target": project.target.column, "target.known_at": project.target.known_at}
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


def _ingested(ws: Workspace, snapshots: Mapping[str, Snapshot]) -> Fact:
    return Fact(
        kind="data.ingested",
        subject=f"project:{ws.project.name}",
        actor=ws.actor,
        payload={name: {"snapshot": snapshot.id, "rows": snapshot.rows} for name, snapshot in snapshots.items()},
    )
