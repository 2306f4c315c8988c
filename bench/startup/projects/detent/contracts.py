from __future__ import annotations

import pandera.polars as pa


class Table(pa.DataFrameModel):
    id: str = pa.Field(unique=True)
    y: float = pa.Field(isin=[0.0, 1.0])
