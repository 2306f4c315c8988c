"""Our side of the cases: a reference from a table, a window from another, and the columns that are found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from detent.monitor.budget import shares
from detent.monitor.drift.detect import detect
from detent.monitor.drift.window import Seen
from detent.records.finding import Finding
from detent.records.project import DriftPlan
from detent.statistics.granules import count
from detent.statistics.layout import layout_of
from detent.statistics.reference import Reference

DAY = timedelta(days=1)
START = datetime(2026, 1, 5, tzinfo=UTC)
BUDGET = shares(1.0, DAY)
PLAN = DriftPlan()


def signature_of(table: pl.DataFrame) -> list[tuple[str, str]]:
    """Return (name, kind) of each column."""
    return [(name, "number" if dtype.is_numeric() else "string") for name, dtype in table.schema.items()]


def reference_of(table: pl.DataFrame) -> Reference:
    """Count a reference."""
    columns, none = table.to_dict(as_series=True), np.zeros(table.height)
    layout = layout_of({**columns, "prediction": none}, signature_of(table))
    return Reference(layout=layout, inputs=count(layout, columns), scores=count(layout, columns, none))


def window_of(reference: Reference, table: pl.DataFrame) -> Seen:
    """Count a window."""
    granule = count(reference.layout, table.to_dict(as_series=True), np.zeros(table.height))
    return Seen(start=START, end=START + DAY, granule=granule)


def look(reference: Reference, *windows: Seen) -> list[Finding]:
    """Return what is found in the last of some windows, with a budget of one false alarm a month."""
    return detect(reference, windows, budget=BUDGET, plan=PLAN)


def drifted(reference: pl.DataFrame, current: pl.DataFrame) -> list[str]:
    """Return the columns that are found, whatever the severity."""
    known = reference_of(reference)
    return sorted({str(finding.column) for finding in look(known, window_of(known, current)) if finding.column})
