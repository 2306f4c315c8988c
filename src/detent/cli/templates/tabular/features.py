"""The features of an order, as they are known when it is placed. The same function serves training and requests."""

from __future__ import annotations

import polars as pl


def features(orders: pl.DataFrame) -> pl.DataFrame:
    """Return one row per order, in order: its key, its time and what the model may look at."""
    return orders.select(
        "order_id",
        "placed_at",
        "customer",
        "channel",
        "category",
        "price",
        "discount",
        "items",
        hour=pl.col("placed_at").dt.hour().cast(pl.Int64),
        weekday=pl.col("placed_at").dt.weekday().cast(pl.Int64),
    )
