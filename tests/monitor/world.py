"""Tables, references and windows for tests of drift."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from detent.monitor.budget import shares
from detent.monitor.drift.detect import detect
from detent.monitor.drift.window import Seen
from detent.records.project import DriftPlan
from detent.statistics.granules import count
from detent.statistics.layout import layout_of
from detent.statistics.reference import Reference

SIGNATURE = [*((f"x{i}", "number") for i in range(4)), ("city", "string"), ("late", "boolean")]
MONDAY = datetime(2013, 3, 4, tzinfo=UTC)
DAY = timedelta(days=1)
PLAN = DriftPlan()
DAILY = shares(1.0, DAY)


def draw(seed, rows):
    """Return inputs and scores of rows that never drift."""
    rng = np.random.default_rng(seed)
    table: dict = {f"x{i}": rng.normal(size=rows) for i in range(4)}
    table["city"] = rng.choice(["JFK", "LGA", "EWR"], rows, p=[0.5, 0.3, 0.2]).tolist()
    table["late"] = (rng.random(rows) < 0.3).tolist()
    return table, rng.random(rows)


def reference_of(table, score, signature=SIGNATURE, *, slices=(), **more):
    layout = layout_of({**table, "prediction": score}, signature, slices=slices)
    none = [None] * len(score)
    return Reference(layout=layout, inputs=count(layout, table, none), scores=count(layout, table, score), **more)


def windows_of(reference, *tables, start=MONDAY, length=DAY):
    return [
        Seen(start=start + n * length, end=start + (n + 1) * length, granule=count(reference.layout, table, score))
        for n, (table, score) in enumerate(tables)
    ]


def look(reference, *tables, plan=PLAN, budget=DAILY, **options):
    """Return what is found in the last of some windows."""
    return detect(reference, windows_of(reference, *tables), budget=budget, plan=plan, **options)
