"""The features of an order, as they are known when it is placed.

Training uses this function, and so must whoever asks for a prediction: a request carries the columns made here, without
key, time and customer; the customer goes beside them, in the list `"entities"`.
"""

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
