"""Labels that name their prediction in some way -> labels of predictions that the log has; the rest waits here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from detent.predictions.labels import labels_of
from detent.predictions.read import read
from detent.store.clock import iso
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries(__package__)
_SCHEMA = {"field": pl.String(), "name": pl.String(), "value": pl.Float64(), "at": pl.String(),
           "arrived_at": pl.String(), "source": pl.String()}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Labels with and without a prediction."""

    known: pl.DataFrame  # `id` and the columns of the labels; in their order
    unknown: pl.DataFrame  # the columns of the labels


def resolve(state: Path, labels: pl.DataFrame, *, field: str, endpoint: str) -> Resolved:
    """Find the predictions that labels are about.

    A request that was sent again has several predictions, and its label is true for each. A request with several rows,
    about several entities, has no one label: it stays unknown.

    Args:
        state: the project's state folder.
        labels: with a column `name`.
        field: "id": the names are ids of predictions; "request": what the caller called its request.
        endpoint: whose predictions count.
    """
    if labels.is_empty():
        return Resolved(known=labels.with_columns(id=pl.col("name")), unknown=labels)
    mine = (pl.col("endpoint") == endpoint) & (pl.col("arm") == "live")
    if field == "id":
        between = pl.col("id").is_between(pl.lit(labels["name"].min()), pl.lit(labels["name"].max()))
        found = read(state, columns=["id"], where=mine & between).select("id", name="id")
    else:
        rows = read(state, columns=["id", "request", "entity"], where=mine & (pl.col("request") != ""))
        rows = rows.join(labels.select(request="name").unique(), on="request", how="semi")
        one = pl.col("entity").n_unique().over("request") == 1
        found = rows.filter(one).select("id", name="request")
    return Resolved(
        known=labels.join(found, on="name", how="inner", maintain_order="left"),
        unknown=labels.join(found, on="name", how="anti", maintain_order="left"),
    )


def unheard(db: Reader, labels: pl.DataFrame) -> pl.DataFrame:
    """Leave out what was said before: the same value at the same time as we know it, or earlier.

    A file that grows is read whole each time; this keeps that to one query.
    """
    known = labels_of(db, labels["id"]).select("id", "label", "label_confirmed")
    joined = labels.join(known, on="id", how="left", maintain_order="left")
    said = (pl.col("label") == pl.col("value")) & (pl.col("at") <= pl.col("label_confirmed"))
    return joined.filter(~said.fill_null(value=False)).drop("label", "label_confirmed")


def keep(tx: Transaction, labels: pl.DataFrame, *, field: str, arrived: datetime, source: str) -> int:
    """Keep labels without a prediction until it appears; return how many of them are news."""
    return sum(
        tx.execute(
            _SQL["orphan"], field=field, name=name, value=value, at=iso(at), arrived_at=iso(arrived), source=source
        )
        for name, value, at in labels.select("name", "value", "at").iter_rows()
    )


def waiting(db: Reader) -> pl.DataFrame:
    """Return the labels that wait: field, name, value, at, arrived_at, source."""
    rows = db.rows(_SQL["orphans"])
    times = pl.col("at", "arrived_at").str.to_datetime(time_unit="us", time_zone="UTC")
    return pl.DataFrame(rows, schema=_SCHEMA).with_columns(times)


def adopt(tx: Transaction, labels: pl.DataFrame) -> None:
    """Let go of labels (field, name, at) whose predictions have been found; one that came since and is newer waits."""
    for field, name, at in labels.select("field", "name", "at").unique(maintain_order=True).iter_rows():
        tx.execute(_SQL["adopt"], field=field, name=name, at=iso(at))


def forget(tx: Transaction, before: datetime) -> int:
    """Drop labels that have waited since before a time, and return how many they were."""
    return tx.execute(_SQL["forget_orphans"], before=iso(before))


def count(db: Reader) -> int:
    """Return how many labels wait for their prediction."""
    row = db.row(_SQL["count_orphans"])
    return 0 if row is None else int(row["orphans"])
