"""Write 20,000 rows: nine numbers and a label. As Parquet they also have the key and the time that detent needs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

folder = Path(sys.argv[1])
folder.mkdir()
rng = np.random.default_rng(1)
columns = rng.gamma(2.0, 1.0, (20_000, 9))
score = columns @ np.linspace(-1, 1, 9) + 0.2 * columns[:, 0] ** 2 - 1
label = (rng.random(20_000) < 1 / (1 + np.exp(-score))).astype(float)
table = np.column_stack([columns, label])
np.save(folder / "table.npy", table)
known = np.datetime64("2025-01-01T00:00:00", "us") + (np.arange(20_000) * 12).astype("timedelta64[m]")
frame = pl.DataFrame(table, schema=[*(f"x{number}" for number in range(9)), "y"])
frame = frame.with_columns(
    id=pl.Series([f"r{number:05d}" for number in range(20_000)]),
    known_at=pl.Series(known).dt.replace_time_zone("UTC"),
)
frame.write_parquet(folder / "table.parquet")
