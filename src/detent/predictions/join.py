"""Predictions with the truth beside them, and how much of the truth has arrived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from detent.predictions.frames import at


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many predictions have a label."""

    rows: int
    labelled: int
    matured: int  # rows old enough that their label should be there
    matured_labelled: int  # of these, how many have one

    @property
    def share(self) -> float:
        """Labelled share of the matured rows, 0..1; 1.0 when none is matured, because nothing is missing then."""
        return self.matured_labelled / self.matured if self.matured else 1.0


def join(
    predictions: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    now: datetime | None = None,
    labels_within: timedelta = timedelta(0),
) -> pl.DataFrame:
    """Return every prediction row, in order, with `label` (null: unknown), `label_at`, `label_revision`, `matured`.

    With `now`, labels that reached us after it are not seen, and a row is matured when it is at least `labels_within`
    old. Without it all labels count and all rows are matured.
    """
    known = labels if now is None else labels.filter(pl.col("label_arrived") <= at(now))
    matured = pl.lit(value=True) if now is None else pl.col("time") <= at(now - labels_within)
    return predictions.join(known, on="id", how="left", validate="m:1", maintain_order="left").with_columns(
        matured.alias("matured")
    )


def coverage(joined: pl.DataFrame) -> Coverage:
    """Count the rows of a joined table."""
    labelled = pl.col("label").is_not_null()
    counts = joined.select(
        rows=pl.len(),
        labelled=labelled.sum(),
        matured=pl.col("matured").sum(),
        matured_labelled=(labelled & pl.col("matured")).sum(),
    ).row(0, named=True)
    return Coverage(**{name: int(value or 0) for name, value in counts.items()})
