"""Sample data, so that the project runs at once: half a year of orders of an invented shop. Replace it with yours.

What makes an order come back changes in month four: a model that is never retrained falls behind.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

DAYS, PER_DAY = 180, 60


def orders(seed: int = 1) -> pl.DataFrame:
    """Return the orders: known at `placed_at`, their label at `returned_known_at`."""
    rng = np.random.default_rng(seed)
    n = DAYS * PER_DAY
    minute = np.sort(rng.integers(0, DAYS * 24 * 60, n))
    day = minute / (24 * 60)
    channel = rng.choice(["web", "app", "shop"], n, p=[0.5, 0.35, 0.15])
    category = rng.choice(["shoes", "shirts", "bags", "coats", "toys"], n)
    price = np.round(np.exp(rng.normal(3.6, 0.6, n)), 2)
    discount = np.round(rng.beta(1.2, 5, n), 2)
    items = rng.integers(1, 6, n)
    changed = (day > 110).astype(float)  # bags begin to come back, discounts stop to matter
    score = (
        -2.4
        + 1.6 * (category == "shoes")
        + 0.9 * (category == "coats")
        + 2.2 * changed * (category == "bags")
        + 4.0 * discount * (1 - 0.8 * changed)
        + 0.5 * np.log(price / 35)
        + 0.6 * (channel == "app")
        - 0.15 * items
    )
    returned = rng.random(n) < 1 / (1 + np.exp(-score))
    placed = np.datetime64("2025-01-01T00:00:00", "us") + minute.astype("timedelta64[m]")
    known = placed + rng.integers(24, 120, n).astype("timedelta64[h]")
    return pl.DataFrame(
        {
            "order_id": [f"o{number:06d}" for number in range(n)],
            "placed_at": pl.Series(placed).dt.replace_time_zone("UTC"),
            "customer": [f"c{number:04d}" for number in rng.integers(0, 1500, n)],
            "channel": channel,
            "category": category,
            "price": price,
            "discount": discount,
            "items": items,
            "returned": returned.astype(np.int64),
            "returned_known_at": pl.Series(known).dt.replace_time_zone("UTC"),
        }
    )


def write(folder: Path) -> None:
    """Write data/orders.parquet into a folder."""
    (folder / "data").mkdir(exist_ok=True)
    orders().write_parquet(folder / "data" / "orders.parquet")


if __name__ == "__main__":
    write(Path(__file__).parent)
