"""Labels: the truth about predictions, which arrives late, twice, or corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from detent.records.prediction import Label
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries(__package__)
SCHEMA = {
    "id": pl.String(),
    "label": pl.Float64(),
    "label_at": pl.Datetime("us", "UTC"),
    "label_revision": pl.Int64(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """What became of a batch of labels."""

    new: int  # predictions that had no label
    duplicate: int  # the same value again: nothing changed
    corrected: int  # another value: it counts from now on, and the earlier one is kept as history


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One value that a prediction's label had."""

    revision: int  # 0, 1, 2 ...
    value: float
    at: str  # ISO time


def record(tx: Transaction, labels: Sequence[Label]) -> LabelCounts:
    """Store labels; sending them again changes nothing. Of two labels for one prediction the later one counts."""
    new = duplicate = corrected = 0
    for label in labels:
        if tx.execute(_SQL["insert_label"], prediction_id=label.prediction_id, value=label.value, at=label.at):
            _remember(tx, label, 0)
            new += 1
            continue
        known = tx.row(_SQL["label"], prediction_id=label.prediction_id)
        if known is None or known["value"] == label.value:
            duplicate += 1
            continue
        revision = known["revision"] + 1
        tx.execute(
            _SQL["correct_label"],
            prediction_id=label.prediction_id,
            value=label.value,
            at=label.at,
            revision=revision,
        )
        _remember(tx, label, revision)
        corrected += 1
    return LabelCounts(new=new, duplicate=duplicate, corrected=corrected)


def labels_of(db: Reader, ids: pl.Series) -> pl.DataFrame:
    """Return the present labels of some predictions: columns `id`, `label`, `label_at`, `label_revision`.

    One query over the range of the ids: they sort by time, so a window of predictions is a range of labels.
    """
    first, last = ids.min(), ids.max()
    if first is None or last is None:
        return pl.DataFrame(schema=SCHEMA)
    rows = db.rows(_SQL["labels_between"], first=first, last=last)
    frame = pl.DataFrame(
        {
            "id": [row["prediction_id"] for row in rows],
            "label": [row["value"] for row in rows],
            "label_at": [row["at"] for row in rows],
            "label_revision": [row["revision"] for row in rows],
        },
        schema={**SCHEMA, "label_at": pl.String()},
    )
    return frame.with_columns(pl.col("label_at").str.to_datetime(time_unit="us", time_zone="UTC", strict=True))


def revisions(db: Reader, prediction_id: str) -> list[Revision]:
    """Return every value the label of a prediction had, oldest first; the last one counts."""
    return [Revision(**row) for row in db.rows(_SQL["revisions"], prediction_id=prediction_id)]


def count(db: Reader) -> int:
    """Return how many predictions have a label."""
    row = db.row(_SQL["count_labels"])
    return 0 if row is None else int(row["labels"])


def _remember(tx: Transaction, label: Label, revision: int) -> None:
    tx.execute(
        _SQL["insert_revision"],
        prediction_id=label.prediction_id,
        revision=revision,
        value=label.value,
        at=label.at,
    )
