"""Broken data: a feed that stopped or stuck. No test is needed to know it, and no model should learn from it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from detent.records.finding import CRITICAL, WARNING, Finding
from detent.statistics.axes import OUTPUT, Axis
from detent.statistics.granules import Cells, Granule, cells_of
from detent.statistics.layout import Layout
from detent.statistics.reference import Reference
from detent.store.clock import iso

LEAST_ROWS = 50
# What would happen by chance this rarely, did not.
IMPOSSIBLE = 1e-9
STRANGE = 0.01  # share of rows with infinities or values of another type, where training had none
MISSING, CONSTANT, TYPE = "missing", "constant", "type"


def data_findings(
    reference: Reference,
    granule: Granule,
    span: tuple[datetime, datetime],
    *,
    layout: Layout | None = None,
    version: int | None = None,
) -> list[Finding]:
    """Look for inputs that are broken, not merely different.

    CRITICAL: every value of an input is missing, or all are the same, and training was so different that chance can't
    be the reason. WARNING: at least 1 % of the values are infinite or of another type, and training had no such value.

    Args:
        reference: of the version whose rows these are.
        granule: what was counted in the window.
        span: start and end of the window.
        layout: over which the window was counted, when it is not the reference's own.
        version: whose rows these are; it is written into the findings.

    Returns:
        Findings of kind "data" in order of columns, at most one per column; [] for fewer than 50 rows.

    Raises:
        DetentError: the window was counted over another layout.
    """
    if granule.rows < LEAST_ROWS:
        return []
    layout = layout or reference.layout
    findings = []
    for position, axis in enumerate(layout.axes):
        if axis.name == OUTPUT or reference.layout.axis(axis.name) is None:
            continue
        known = cells_of(reference.layout, reference.inputs, axis.name)
        found = cells_of(layout, granule, axis.name)
        rows = granule.rows / max(1.0, reference.inflation_of(axis.name))
        same = float(granule.lowest[position]) == float(granule.highest[position])
        for severity, statistic, value, text in _broken(axis, known, found, rows, same=same):
            findings.append(
                Finding(
                    kind="data", severity=severity, column=axis.name, statistic=statistic, value=value, low=None,
                    high=None, threshold=STRANGE if statistic == TYPE else 1.0, rows=granule.rows,
                    window_start=iso(span[0]), window_end=iso(span[1]), message=f"`{axis.name}` {text}.",
                    version=version, importance=reference.importance_of(axis.name),
                )
            )  # fmt: skip
            break
    return findings


def _broken(
    axis: Axis, known: Cells, found: Cells, rows: float, *, same: bool
) -> Iterator[tuple[str, str, float, str]]:
    """Yield severity, statistic, value and what is wrong, the worst first."""
    before, now = _missing(axis, known), _missing(axis, found)
    trained, seen = int(known.bins.sum()) + known.novel + before, int(found.bins.sum()) + found.novel + now
    if trained == 0 or seen == 0:
        return
    if now == seen and (before / trained) ** rows < IMPOSSIBLE:
        yield CRITICAL, MISSING, 1.0, f"is missing in every row, and was in {before / trained:.1%} of training"
    stuck = same if axis.numeric else int((found.bins > 0).sum()) + (found.novel > 0) == 1
    if stuck and now < seen and _chance(known, found, trained) ** rows < IMPOSSIBLE:
        yield (
            CRITICAL,
            CONSTANT,
            1.0,
            f"has one value in all {seen - now:,} rows that have any, and had many in training",
        )
    strange, was = _strange(axis, found), _strange(axis, known)
    if was == 0 and strange >= STRANGE * seen:
        yield (
            WARNING,
            TYPE,
            strange / seen,
            f"is infinite or of another type in {strange / seen:.1%} of rows, and never was",
        )


def _missing(axis: Axis, cells: Cells) -> int:
    """Count null, NaN and what is no finite number."""
    return cells.null + cells.nan + cells.below + cells.above + (cells.novel if axis.numeric else 0)


def _strange(axis: Axis, cells: Cells) -> int:
    return cells.below + cells.above + (cells.novel if axis.numeric else 0)


def _chance(known: Cells, found: Cells, trained: int) -> float:
    """Return the share of training that had the cell in which all rows are now; a lone new level had none."""
    if not found.bins.any():
        return 0.0
    return float(known.bins[int(found.bins.argmax())]) / trained
