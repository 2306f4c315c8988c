"""Before monitoring is switched on: how often it will cry wolf, and the smallest change that it will find, and when.

Nothing is assumed of a column's law but what its reference counted. A change is put into those counts, windows are
drawn from them, and the very tests of `drift/detect.py` are run on what was drawn. Pure, with a fixed seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from detent.monitor.budget import Budget, shares
from detent.monitor.drift.changes import Change, change_of
from detent.monitor.drift.detect import LEAST_ROWS, SLICES
from detent.monitor.drift.power import Setting, found_within
from detent.records.project import DriftPlan
from detent.statistics.axes import OUTPUT, Axis
from detent.statistics.granules import cells_of
from detent.statistics.reference import HOURS, Reference

SURE = 0.95
HORIZONS = (timedelta(days=7), timedelta(days=30))
_RANGE = 1000  # between the largest change that makes sense and the smallest that is looked for
_FEW, _ROUGH = 60, 5  # models and steps of the bisection that comes near ...
_MANY, _FINE = 300, 4  # ... and of the one that is told: to 5 %
_WEEK = timedelta(weeks=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeable:
    """What will be seen of one column."""

    column: str
    rows: float  # per window
    inflation: float  # rows of a day resemble each other: so many of them are worth one
    unit: str  # "sd": the values shift by so many standard deviations | "share": so many rows change their level
    within: tuple[float | None, ...]  # per horizon, the smallest change found in 95 of 100 cases; None: none is


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What monitoring will do."""

    window: timedelta
    false_alarms: float  # per 30 days, at most
    budget: Budget
    horizons: tuple[timedelta, ...]
    columns: tuple[Seeable, ...]  # the inputs in order, then "prediction"


def forecast(
    reference: Reference,
    *,
    rows_per_window: float | Mapping[str, float],
    window: timedelta,
    plan: DriftPlan,
    horizons: Sequence[timedelta] = HORIZONS,
    seed: int = 0,
) -> Forecast:
    """Say which change of each column will be found in 95 of 100 cases.

    Args:
        reference: of the version that will be watched.
        rows_per_window: predictions that a window will have: one number, or one per column.
        window: length of a window.
        plan: budget and scales.
        horizons: times within which the change is to be found, ascending.
        seed: of the windows that are drawn.
    """
    budget = shares(plan.false_alarms, window, plan.scales)
    inputs = max(1, len(reference.layout.axes) - 1)
    own = 1 - (SLICES if reference.layout.slices else 0.0)
    columns = []
    for axis in reference.layout.axes:
        level = budget.prediction if axis.name == OUTPUT else budget.inputs * own / inputs
        rows = rows_per_window if isinstance(rows_per_window, int | float) else rows_per_window.get(axis.name, 0.0)
        columns.append(_seeable(reference, axis, float(rows), level, budget, window, plan, horizons, seed))
    return Forecast(
        window=window,
        false_alarms=plan.false_alarms,
        budget=budget,
        horizons=tuple(horizons),
        columns=tuple(columns),
    )


def _seeable(  # noqa: PLR0913  (one row of a table)
    reference: Reference,
    axis: Axis,
    rows: float,
    level: float,
    budget: Budget,
    window: timedelta,
    plan: DriftPlan,
    horizons: Sequence[timedelta],
    seed: int,
) -> Seeable:
    granule = reference.scores if axis.name == OUTPUT else reference.inputs
    counts = cells_of(reference.layout, granule, axis.name).bins.astype(np.float64)
    worth = max(1.0, reference.inflation_of(axis.name))
    change = change_of(axis, counts)
    seasons = plan.seasonal != "off" and len(reference.seasons) == HOURS and axis.name != OUTPUT
    within: list[float | None] = []
    most = change.largest
    for horizon in horizons:
        scales = tuple(scale for scale in budget.scales if scale * rows >= LEAST_ROWS)
        setting = Setting(
            scales=scales,
            windows=int(horizon / window),
            rows=rows / worth,
            reference_rows=counts.sum() / worth,
            seen=tuple(min(1.0, scale * window / _WEEK) if seasons else 1.0 for scale in scales),
            level=level,
        )
        smallest = _smallest(change, setting, most, seed)
        most = most if smallest is None else smallest * 1.2  # more windows see no less
        within.append(smallest)
    return Seeable(column=axis.name, rows=rows, inflation=worth, unit=change.unit, within=tuple(within))


def _smallest(change: Change, setting: Setting, most: float, seed: int) -> float | None:
    """Return the smallest change that is found often enough, by bisection; None when even the largest is not.

    Power grows with the root of the rows, so changes are told apart by ratios: the search is in logarithms. Few models
    are enough to come near.
    """
    if setting.windows < 1 or setting.rows < 1 or setting.reference_rows < 1 or most <= 0:
        return None
    if found_within(change, most, setting, models=_FEW, seed=seed) < SURE:
        return None
    low, high = most / _RANGE, most
    for models, steps, slack in ((_FEW, _ROUGH, 1.5), (_MANY, _FINE, 1.0)):
        for _ in range(steps):
            middle = float(np.sqrt(low * high))
            if found_within(change, middle, setting, models=models, seed=seed) < SURE:
                low = middle
            else:
                high = middle
        low, high = low / slack, min(most, high * slack)
    return high
