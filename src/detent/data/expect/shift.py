"""How far a column's distribution has moved since the last snapshot that passed."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from detent.data.expect.finding import Finding, Table, column_of
from detent.data.expect.measure import FIRST, numbers
from detent.data.expect.words import quantity
from detent.errors import DataError
from detent.records.expectation import Expectation
from detent.records.signature import NUMBER, STRING
from detent.statistics.distances import coarsen, pool_rare, psi_debiased
from detent.statistics.summaries import summarise


def judge_shift(table: Table, expectation: Expectation) -> Finding:
    """Compare the column with the last good snapshot's; rows without a value are left out."""
    name, rows, limit = expectation.columns[0], table.frame.height, expectation.threshold or 0.0
    column = column_of(table.frame, name)
    if table.last is None:
        return Finding(kept=True, reason=FIRST, rows=rows)
    now, before = column.drop_nulls(), column_of(table.last, name).drop_nulls()
    if len(now) == 0 or len(before) == 0:
        which = "this" if len(now) == 0 else "the last good"
        return Finding(kept=len(now) == len(before), reason=f"`{name}` has no value in {which} snapshot", rows=rows)
    if _is_text(now) != _is_text(before):
        raise DataError(
            what=f"`{name}` is {now.dtype} and was {before.dtype}",
            why="distributions of different kinds can't be compared",
            fix="store the column with one type",
        )
    value = _MEASURES[expectation.name](before, now)
    kept = value <= limit if expectation.op == "<=" else value < limit
    reason = f"{expectation.name}({name}) is {quantity('psi', value)} against the last good snapshot"
    return Finding(kept=kept, reason=reason, rows=rows, value=value, threshold=limit)


def psi(before: pl.Series, now: pl.Series) -> float:
    """Return the population stability index without what chance alone adds, so a limit means the same at any size.

    Numbers are cut into 20 bins of equal mass of the earlier rows; texts and booleans are levels, the 50 most frequent.
    """
    text = _is_text(now)
    kind = STRING if text else NUMBER
    columns: list[Any] = [series.cast(pl.String) if text else numbers(series) for series in (before, now)]
    reference = summarise({"column": columns[0]}, (("column", kind),))
    current = summarise({"column": columns[1]}, (("column", kind),), like=reference)
    pool = pool_rare if text else coarsen
    return psi_debiased(*pool(reference.columns[0].counts, current.columns[0].counts))


def ks(before: pl.Series, now: pl.Series) -> float:
    """Return the largest gap between the two distribution functions (two-sample Kolmogorov-Smirnov statistic)."""
    first, second = (np.sort(numbers(series).to_numpy()) for series in (before, now))
    both = np.concatenate([first, second])
    shares = [np.searchsorted(one, both, side="right") / one.size for one in (first, second)]
    return float(np.max(np.abs(shares[0] - shares[1])))


_MEASURES = {"psi": psi, "ks": ks}


def _is_text(column: pl.Series) -> bool:
    return column.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean)
