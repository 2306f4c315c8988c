"""Labels: the truth about predictions, which arrives late, twice, out of order, or corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from detent.records.prediction import Label
from detent.store.clock import iso
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries(__package__)
_TIME = pl.Datetime("us", "UTC")
SCHEMA = {
    "id": pl.String(),
    "label": pl.Float64(),
    "label_at": _TIME,  # when it was known
    "label_revision": pl.Int64(),
    "label_confirmed": _TIME,  # the last time at which somebody said this value
    "label_arrived": _TIME,  # when it reached us
    "label_first": _TIME,  # when the first value of this label reached us
}
_TIMES = [name for name, kind in SCHEMA.items() if kind == _TIME]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """What became of a batch of labels."""

    new: int = 0  # predictions that had no label
    duplicate: int = 0  # the same value again: nothing changed
    corrected: int = 0  # another value: it counts from now on, and the earlier one is kept as history
    stale: int = 0  # another value, but an older one than we have: nothing changed
    orphan: int = 0  # of predictions that the log does not have (yet)

    def __add__(self, other: LabelCounts) -> LabelCounts:
        """Count two batches together."""
        return LabelCounts(
            new=self.new + other.new,
            duplicate=self.duplicate + other.duplicate,
            corrected=self.corrected + other.corrected,
            stale=self.stale + other.stale,
            orphan=self.orphan + other.orphan,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One value that a prediction's label had."""

    revision: int  # 0, 1, 2 ...
    value: float
    at: str  # ISO time


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Labels that came in some span of time."""

    labels: int
    corrections: int  # of these, how many replaced another value


def record(tx: Transaction, labels: Sequence[Label]) -> LabelCounts:
    """Store labels; sending them again changes nothing.

    Of two labels for one prediction that with the later `at` counts, in whichever order they arrive; at one and the
    same time it is the one that arrived later.
    """
    new = duplicate = corrected = stale = 0
    for label in labels:
        about = {"prediction_id": label.prediction_id, "value": label.value, "at": label.at, "source": label.source}
        about["arrived_at"] = label.arrived or label.at
        if tx.execute(_SQL["insert_label"], **about):
            tx.execute(_SQL["insert_revision"], revision=0, **about)
            new += 1
            continue
        known = tx.row(_SQL["label"], prediction_id=label.prediction_id)
        if known is None or known["value"] == label.value:
            tx.execute(_SQL["confirm_label"], prediction_id=label.prediction_id, at=label.at)
            duplicate += 1
        elif label.at < known["confirmed_at"]:
            stale += 1
        else:
            about["revision"] = known["revision"] + 1
            tx.execute(_SQL["correct_label"], **about)
            tx.execute(_SQL["insert_revision"], **about)
            corrected += 1
    return LabelCounts(new=new, duplicate=duplicate, corrected=corrected, stale=stale)


def labels_of(db: Reader, ids: pl.Series) -> pl.DataFrame:
    """Return the present labels of some predictions, with the columns of SCHEMA.

    One query over the range of the ids: they sort by time, so a window of predictions is a range of labels.
    """
    first, last = ids.min(), ids.max()
    if first is None or last is None:
        return pl.DataFrame(schema=SCHEMA)
    rows = db.rows(_SQL["labels_between"], first=first, last=last)
    frame = pl.DataFrame(
        [
            (
                row["prediction_id"], row["value"], row["at"], row["revision"], row["confirmed_at"], row["arrived_at"],
                row["first_arrived_at"],
            )
            for row in rows
        ],
        schema={**SCHEMA, **dict.fromkeys(_TIMES, pl.String())},
        orient="row",
    )  # fmt: skip
    return frame.with_columns(pl.col(_TIMES).str.to_datetime(time_unit="us", time_zone="UTC", strict=True))


def arrivals(db: Reader, first: str, last: str, *, since: datetime, until: datetime) -> Arrivals:
    """Count the labels of the predictions with first <= id <= last that reached us with since < time <= until."""
    row = db.row(_SQL["arrived_between"], first=first, last=last, since=iso(since), until=iso(until))
    return Arrivals(**{name: int(value) for name, value in (row or {"labels": 0, "corrections": 0}).items()})


def revisions(db: Reader, prediction_id: str) -> list[Revision]:
    """Return every value the label of a prediction had, oldest first; the last one counts."""
    return [Revision(**row) for row in db.rows(_SQL["revisions"], prediction_id=prediction_id)]


def count(db: Reader) -> int:
    """Return how many predictions have a label."""
    row = db.row(_SQL["count_labels"])
    return 0 if row is None else int(row["labels"])
