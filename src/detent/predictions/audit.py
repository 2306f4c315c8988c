"""Which answers people are asked about, when truth is expensive: some of each level of the score. Pure but for SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from detent.store.clock import iso, parse
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries(__package__)
_SCHEMA = {"id": pl.String(), "asked_at": pl.String()}
STRATA = 10


def choose(rows: pl.DataFrame, n: int, *, seed: int) -> list[str]:
    """Return the ids of `n` answers without a label, about equally many of each tenth of the scores.

    So rare scores are asked about as often as frequent ones; whoever averages the labels must weigh them, as
    `statistics.powered.selection` does.

    Args:
        rows: with `id`, `answer` and `label` (null: not known), in an order that two runs agree on.
        n: how many; fewer when there are fewer.
        seed: the same rows and seed give the same answers.
    """
    open_ = rows.filter(pl.col("label").is_null())
    if open_.is_empty() or n < 1:
        return []
    rank = open_["answer"].rank("ordinal").to_numpy().astype(np.int64) - 1
    stratum = rank * STRATA // open_.height
    drawn = np.random.default_rng(seed).permutation(open_.height)
    turn = np.empty(open_.height, dtype=np.int64)
    for level in range(STRATA):  # the first of each stratum before the second of any
        members = drawn[stratum[drawn] == level]
        turn[members] = np.arange(len(members))
    order = np.lexsort((drawn, stratum, turn))
    return [open_["id"][int(place)] for place in order[:n]]


def ask(tx: Transaction, ids: Sequence[str], now: datetime) -> int:
    """Remember that people are asked about answers; return how many of them are news."""
    return sum(tx.execute(_SQL["ask"], prediction_id=id_, asked_at=iso(now)) for id_ in ids)


def asked(db: Reader) -> pl.DataFrame:
    """Return what people were asked about and have not said: id, asked_at; the newest first."""
    rows = [(row["prediction_id"], row["asked_at"]) for row in db.rows(_SQL["asked"])]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def last_asked(db: Reader) -> datetime | None:
    """Return when people were asked last; None: never."""
    row = db.row(_SQL["last_asked"])
    return None if row is None or row["at"] is None else parse(row["at"])
