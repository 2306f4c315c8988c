from __future__ import annotations

import polars as pl


def features(table: pl.DataFrame) -> pl.DataFrame:
    columns = [f"x{number}" for number in range(9)]
    squares = [(pl.col(name) ** 2).alias(f"{name}_squared") for name in columns]
    return table.select("id", "known_at", *columns, *squares)
