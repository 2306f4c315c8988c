"""The evaluation rows, cut by the values of a column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.errors import ProjectError, did_you_mean
from detent.gate.evidence import Evidence
from detent.gate.requirements import place
from detent.gate.wording import count
from detent.records.check import REJECT, Check, SliceResult

MAX_SLICES = 50  # the largest ones are looked at, and those that are expected
MISSING = "(missing)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The rows with one value of a column."""

    value: str
    rows: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """A column's slices."""

    column: str
    large: tuple[Slice, ...]  # of at least `min_slice` rows, largest first, at most 50 besides expected ones
    small: tuple[Slice, ...]  # all others that have rows
    gone: tuple[str, ...]  # expected, and without a single row


def slices_of(check: Check, evidence: Evidence) -> Slices:
    """Cut the evaluation rows by the check's column; rows without a value are a slice of their own.

    Raises:
        ProjectError: there is no such column.
    """
    column = _column(check, evidence)
    groups = (
        pl.DataFrame({"value": column})
        .with_row_index("row")
        .group_by("value")
        .agg(pl.col("row"))
        .with_columns(size=pl.col("row").list.len())
        .sort("size", "value", descending=[True, False])
    )
    expected = evidence.expected_slices.get(str(check.by), ())
    large: list[Slice] = []
    small: list[Slice] = []
    for value, rows, size in groups.iter_rows():
        part = Slice(value=value, rows=np.array(rows, dtype=np.intp))
        room = len(large) < MAX_SLICES or value in expected
        (large if size >= evidence.min_slice and room else small).append(part)
    present = set(groups["value"].to_list())
    gone = tuple(value for value in expected if value not in present)
    return Slices(column=str(check.by), large=tuple(large), small=tuple(small), gone=gone)


def unmeasured(column: str, value: str, rows: int, decision: str, reason: str) -> SliceResult:
    """Return what is said about a slice that nothing was measured on."""
    return SliceResult(
        column=column, value=value, rows=rows, metric=None, low=None, high=None, champion=None, p_value=None,
        decision=decision, reason=reason,
    )  # fmt: skip


def absent(cut: Slices) -> list[SliceResult]:
    """Return a rejection for each slice that should be there and is not: nobody knows how it fares."""
    return [
        unmeasured(cut.column, value, 0, REJECT, "expected among the evaluation rows, and not one row has it")
        for value in cut.gone
    ]


def too_small(cut: Slices, evidence: Evidence, decision: str) -> list[SliceResult]:
    """Return a result with this decision for each slice that is too small, at most 50 of them."""
    reason = f"nothing is concluded from fewer than {count(evidence.min_slice)}"
    return [unmeasured(cut.column, part.value, part.rows.size, decision, reason) for part in cut.small[:MAX_SLICES]]


def told_small(cut: Slices) -> str:
    """Return how many slices are too small, as a part of a sentence; nothing when none is."""
    if not cut.small:
        return ""
    return f"{count(len(cut.small), 'smaller slice')} ({count(sum(part.rows.size for part in cut.small))})"


def _column(check: Check, evidence: Evidence) -> pl.Series:
    known = tuple(evidence.columns.columns)
    if check.by in known:
        return evidence.columns[check.by].cast(pl.String).fill_null(MISSING)
    raise ProjectError(
        what=f"there is no column `{check.by}` to slice by",
        why=f"the check `{check.text}` names it, and the evaluation rows do not have it",
        fix=did_you_mean(check.by or "", known),
        where=place(check),
    )
