"""What the monitor promises: a budget of false alarms that is kept, and small shifts that are found."""

from __future__ import annotations

import numpy as np
import pytest

from detent.monitor.budget import shares
from detent.monitor.drift.detect import DETECTORS, detect
from detent.monitor.drift.window import Seen
from detent.monitor.protocol import Sample
from detent.statistics.granules import count
from detent.statistics.layout import Axis

from .months import DAYS, alarm_days, continuous, months, p_values, tied, upper
from .world import DAILY, DAY, MONDAY, PLAN, draw, look, reference_of

GRID = [(rows, columns) for rows in (200, 1000, 10_000) for columns in (5, 20, 200)]


def test_the_simulations_tests_are_those_of_the_monitor():
    rng = np.random.default_rng(3)
    reference, _, after = continuous(rng, 3, shift=0.12, moved=2)
    windows = rng.multinomial(900, after, size=(2, 3)).astype(float)
    axis = Axis(name="x", kind="number", edges=tuple(np.arange(63.0)), coarse=tuple(np.arange(0, 63.0, 3)))
    for day, found in zip(windows, p_values(reference, windows), strict=True):
        for expected, current, p_value in zip(reference, day, found, strict=True):
            samples = Sample(bins=expected), Sample(bins=current)
            own = [one.compare(axis, *samples).p_value for one in DETECTORS if "number" in one.kinds]
            assert len(own) == 3
            # Far from where decisions fall, the simulation uses the limit law of Kolmogorov's test.
            tolerance = 1e-9 if 3e-5 < p_value < 0.006 else 0.15
            assert min(1.0, 3 * min(own)) == pytest.approx(p_value, rel=tolerance)


@pytest.mark.parametrize(("law", "rows"), [(continuous, 200), (tied, 1000)])
def test_quiet_months_keep_the_budget(law, rows):
    days = months(law, models=40, rows=rows, columns=10, budget=DAILY, seed=1)
    assert upper(days.sum(axis=1)) <= 1.0


def test_quiet_months_keep_the_budget_through_the_whole_monitor():
    """12 columns of all kinds, 250 rows a day, nulls and new levels, 40 days: about 0.9 alarm days may be there."""
    alarms = 0
    for model in range(3):
        rng = np.random.default_rng(model)
        signature, draw = mixed(rng)
        reference = reference_of(*draw(8000), signature)
        seen = [
            Seen(start=MONDAY + n * DAY, end=MONDAY + (n + 1) * DAY, granule=count(reference.layout, *draw(250)))
            for n in range(30)
        ]
        for last in range(1, 31):
            alarms += bool(detect(reference, seen[max(0, last - 28) : last], budget=DAILY, plan=PLAN))
    assert alarms <= 4


def mixed(rng):
    levels = [f"level {n}" for n in range(3000)]
    signature = [
        *((f"n{i}", "number") for i in range(4)), ("zeros", "number"), ("code", "integer"), ("holes", "number"),
        ("few", "string"), ("many", "string"), ("zipf", "string"), ("flag", "boolean"), ("constant", "number"),
    ]  # fmt: skip
    zipf = 1 / np.arange(1, 3001)

    def draw(rows):
        table: dict = {f"n{i}": rng.standard_t(2, rows) for i in range(4)}
        table["zeros"] = np.where(rng.random(rows) < 0.7, 0.0, rng.lognormal(size=rows))
        table["code"] = rng.integers(0, 40, rows)
        table["holes"] = np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows))
        table["few"] = rng.choice(levels[:4], rows, p=[0.6, 0.3, 0.09, 0.01]).tolist()
        table["many"] = rng.choice(levels, rows).tolist()
        table["zipf"] = rng.choice(levels, rows, p=zipf / zipf.sum()).tolist()
        table["flag"] = (rng.random(rows) < 0.001).tolist()
        table["constant"] = np.ones(rows)
        return table, rng.random(rows)

    return signature, draw


def found_within(days, models, **options):
    return months(continuous, models=models, budget=DAILY, days=days, **options).any(axis=1).mean()


def test_a_tenth_of_a_deviation_in_one_of_twenty_columns_is_found_within_a_week():
    assert found_within(7, 40, rows=1000, columns=20, shift=0.1, seed=2) >= 0.95


def test_a_fifth_of_a_deviation_is_found_within_a_week_at_two_hundred_rows_a_day():
    assert found_within(7, 40, rows=200, columns=20, shift=0.2, seed=3) >= 0.95


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("rows", "columns"), GRID)
def test_a_thousand_quiet_months_keep_the_budget(rows, columns):
    days = months(continuous, models=1000, rows=rows, columns=columns, budget=DAILY, seed=11)
    assert upper(days.sum(axis=1)) <= 1.0


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("rows", "columns"), GRID[:6])
def test_a_thousand_quiet_months_with_ties_keep_the_budget(rows, columns):
    days = months(tied, models=1000, rows=rows, columns=columns, budget=DAILY, seed=12)
    assert upper(days.sum(axis=1)) <= 1.0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_quiet_months_of_columns_that_move_together_keep_the_budget():
    """20 columns with a correlation of 0.8, 1,000 rows a day, 1,000 months."""
    found = []
    for model in range(1000):
        rng = np.random.default_rng([13, model])

        def rows(size, rng=rng):
            shared = rng.normal(size=(1, size))
            return np.sqrt(0.8) * shared + np.sqrt(0.2) * rng.normal(size=(21, size))

        reference = rows(10_000)
        edges = np.sort(reference, axis=1)[:, (np.arange(1, 64) * 10_000 // 64)]
        counted = np.stack([_binned(edges, rows(1000)) for _ in range(57)])
        found.append(alarm_days(_binned(edges, reference), counted, DAILY, first=27).sum())
    assert upper(np.array(found)) <= 1.0


def _binned(edges, values):
    return np.stack(
        [np.bincount(np.searchsorted(e, v), minlength=64) for e, v in zip(edges, values, strict=True)]
    ).astype(float)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_few_references_are_so_unlucky_that_they_alarm_often():
    """A budget is an average: an unlucky reference differs from the world for as long as it lives."""
    days_a_month = []
    for model in range(100):
        rng = np.random.default_rng([14, model])
        reference, truth, _ = continuous(rng, 21)
        days = rng.multinomial(1000, truth, size=(27 + 90, 21)).astype(float)
        days_a_month.append(alarm_days(reference, days, DAILY, first=27).sum() / 3)
    assert upper(np.array(days_a_month)) <= 1.0
    assert np.mean(np.array(days_a_month) > 3) <= 0.02


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("rows", "shift"), [(1000, 0.1), (200, 0.2)])
def test_small_shifts_are_found_within_a_week_in_a_thousand_models(rows, shift):
    assert found_within(7, 1000, rows=rows, columns=20, shift=shift, seed=15) >= 0.95


def test_a_budget_is_divided_over_what_is_looked_at():
    daily = shares(1.0, DAY)
    assert daily.scales == (1, 7, 28)
    assert 30 * 3 * (daily.inputs + daily.prediction) + 30 * daily.quality == pytest.approx(1.0)
    hourly = shares(2.0, DAY / 24, (1, 6))
    assert hourly.scales == (1, 6)
    assert 720 * 2 * hourly.inputs == pytest.approx(1.0)
    assert shares(1.0, DAY / 24).scales == (1, 4, 16)
    assert shares(1000.0, DAY).inputs == 0.05
    for alarms, window in ((0, DAY), (1, 0 * DAY)):
        with pytest.raises(ValueError, match="above 0"):
            shares(alarms, window)
    assert DAYS == 30


def test_an_unlucky_reference_wakes_nobody():
    """It is off by 0.06 sd, six standard errors, and 28 days are looked at together."""
    rng, score = np.random.default_rng(7), np.full(10_000, 0.5)
    reference = reference_of({"x": rng.normal(0.06, 1, 10_000)}, score, [("x", "number")])
    days = [({"x": rng.normal(size=1000)}, score[:1000]) for _ in range(28)]
    (finding,) = look(reference, *days)
    assert (finding.severity, finding.scale > 1) == ("INFO", True)


def test_very_many_rows_with_a_shift_that_matters_to_nobody_are_no_warning():
    table, score, rng = draw(1, 300_000)[0], np.full(300_000, 0.5), np.random.default_rng(4)
    reference = reference_of({"x0": table["x0"]}, score, [("x0", "number")])
    (finding,) = look(reference, ({"x0": rng.normal(0.02, 1, size=300_000)}, score))
    assert (finding.severity, finding.column) == ("INFO", "x0")
