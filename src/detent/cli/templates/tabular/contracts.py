"""What the data must look like. A broken contract stops the run: a model never learns from broken data."""

from __future__ import annotations

import pandera.polars as pa


class Orders(pa.DataFrameModel):
    """One row per order."""

    order_id: str = pa.Field(unique=True)
    channel: str = pa.Field(isin=["web", "app", "shop"])
    price: float = pa.Field(gt=0, lt=10_000)
    returned: int = pa.Field(isin=[0, 1], coerce=False)
