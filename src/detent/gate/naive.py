"""What repeating the last season would have answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray


def last_season(
    rows: pl.DataFrame, known: Sequence[pl.DataFrame], *, series: str | None, time: str, label: str, season: timedelta
) -> NDArray[np.float64]:
    """Return the label one season before each row, in the same series, (n,); NaN where no row has that very time.

    Args:
        rows: the evaluation rows.
        known: frames with labelled rows that may lie a season back, such as the training and the evaluation rows.
        series: column that names a series; None: all rows are one.
        time: column with the time of a row.
        label: column with the label.
        season: how far back; as long as the cycle that matters, such as 7 days.
    """
    keys = [time] if series is None else [series, time]
    past = pl.concat([frame.select(*keys, pl.col(label).cast(pl.Float64).alias("naive")) for frame in known])
    shifted = past.drop_nulls().unique(keys, keep="last", maintain_order=True).with_columns(pl.col(time) + season)
    joined = rows.select(keys).join(shifted, on=keys, how="left", maintain_order="left")
    return joined["naive"].fill_null(float("nan")).to_numpy()
