from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detent.monitor.drift.changes import change_of
from detent.monitor.forecast import forecast
from detent.statistics.layout import Axis

from .months import continuous, months
from .world import DAILY, DAY, PLAN, draw, reference_of

NORMALS = 20


def normal_reference(seed, columns=1):
    rng = np.random.default_rng(seed)
    table = {f"x{i}": rng.normal(size=10_000) for i in range(columns)}
    return reference_of(table, rng.random(10_000), [(name, "number") for name in table])


@pytest.fixture(scope="module")
def one():
    """The forecast for one column among twenty that all look alike."""
    reference = normal_reference(0)
    # Twenty columns share the budget of the inputs: one column alone is looked at with a twentieth of it.
    return forecast(reference, rows_per_window=1000, window=DAY, plan=replace(PLAN, false_alarms=1 / NORMALS))


def test_the_shift_that_is_forecast_is_found_as_often_as_it_says(one):
    shift = one.columns[0].within[0]
    found = months(continuous, models=60, rows=1000, columns=NORMALS, budget=DAILY, days=7, seed=5, shift=shift)
    assert 0.85 <= found.any(axis=1).mean() < 1.0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_shift_that_is_forecast_is_found_as_often_as_it_says_in_two_thousand_models(one):
    shift = one.columns[0].within[0]
    found = months(continuous, models=2000, rows=1000, columns=NORMALS, budget=DAILY, days=7, seed=6, shift=shift)
    assert 0.93 <= found.any(axis=1).mean() <= 0.98


def test_a_month_sees_smaller_shifts_than_a_week(one):
    week, month = one.columns[0].within
    assert 0.5 * week < month < 0.85 * week
    assert 0.05 < week < 0.1


def test_the_forecast_names_the_budget_and_every_column(one):
    assert one.false_alarms == 1 / NORMALS
    assert one.budget.scales == (1, 7, 28)
    assert [(column.column, column.unit, column.rows) for column in one.columns] == [
        ("x0", "sd", 1000.0),
        ("prediction", "sd", 1000.0),
    ]


def test_rows_that_resemble_each_other_see_less():
    reference = replace(normal_reference(1), inflation=(("x0", 6.0),))
    plain = forecast(normal_reference(1), rows_per_window=500, window=DAY, plan=PLAN, horizons=[7 * DAY])
    inflated = forecast(reference, rows_per_window=500, window=DAY, plan=PLAN, horizons=[7 * DAY])
    ratio = inflated.columns[0].within[0] / plain.columns[0].within[0]
    assert 1.8 < ratio < 3.2  # about the root of 6
    assert inflated.columns[0].inflation == 6.0


def test_levels_and_columns_of_few_values_have_a_forecast_too():
    table, score = draw(0, 5000)
    rng = np.random.default_rng(3)
    table["zeros"] = np.where(rng.random(5000) < 0.6, 0.0, rng.lognormal(size=5000))
    table["hour"] = rng.integers(0, 24, 5000)
    table["same"] = np.ones(5000)
    signature = [("city", "string"), ("late", "boolean"), ("zeros", "number"), ("hour", "integer"), ("same", "number")]
    reference = reference_of(table, score, signature)
    found = forecast(reference, rows_per_window=1000, window=DAY, plan=PLAN, horizons=[7 * DAY])
    sizes = {column.column: (column.unit, column.within[0]) for column in found.columns}
    assert sizes["city"][0] == sizes["late"][0] == "share"
    assert 0.02 < sizes["late"][1] < 0.06
    assert 0.02 < sizes["city"][1] < 0.06
    assert sizes["zeros"][1] > 0.05
    assert 0.05 < sizes["hour"][1] < 0.2
    assert sizes["same"] == ("sd", None)


def test_too_few_rows_find_nothing():
    reference = normal_reference(2)
    (x0, _) = forecast(reference, rows_per_window=1, window=DAY, plan=PLAN, horizons=[DAY / 2, 7 * DAY]).columns
    assert x0.within == (None, None)
    assert forecast(reference, rows_per_window=0, window=DAY, plan=PLAN).columns[0].within == (None, None)


def test_a_change_of_size_nothing_changes_nothing_and_no_row_is_lost():
    edges = tuple(np.arange(1.0, 20))
    number = change_of(Axis(name="x", kind="number", edges=edges, coarse=edges), np.arange(1.0, 21))
    level = change_of(Axis(name="c", kind="string", levels=("a", "b", "c")), np.array([5.0, 3, 2, 0]))
    for change in (number, level):
        assert change.moved(change.shares, 0.0) == pytest.approx(change.shares, abs=1e-12)
        assert change.moved(change.shares, 0.3).sum() == pytest.approx(1.0)
    assert level.moved(level.shares, 0.1) == pytest.approx([0.4, 0.4, 0.2, 0.0])
