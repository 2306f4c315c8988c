from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.predictions.maturity import DelayCurve, mature

from .builders import START

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WITHIN = DAY


def times(hours: np.ndarray) -> pl.Series:
    """Times so many hours before START; NaN: null."""
    moments = [None if np.isnan(hour) else START - timedelta(hours=float(hour)) for hour in hours]
    return pl.Series(moments, dtype=pl.Datetime("us", "UTC"))


def curve(ages: np.ndarray, delays: np.ndarray) -> DelayCurve:
    """Rows of these ages (hours) whose labels take so long; inf: never."""
    came = np.where(delays <= ages, ages - delays, np.nan)
    return DelayCurve.learn(times(ages), times(came), START)


def durations(*hours: float) -> pl.Series:
    return pl.Series([timedelta(hours=hour) for hour in hours], dtype=pl.Duration("us"))


def growing(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Traffic that doubles each day for ten days; labels take 24 hours on average, and one row in five gets none."""
    generator = np.random.default_rng(seed)
    ages = 240.0 + 24.0 / np.log(2) * np.log(generator.random(20_000) * (1 - 2.0**-10) + 2.0**-10)
    delays = generator.exponential(24.0, 20_000)
    delays[generator.random(20_000) < 0.2] = np.inf
    return 240.0 - ages, delays


def test_a_growing_stream_hides_how_many_labels_come_and_the_curve_sees_it() -> None:
    ages, delays = growing(1)
    learned = curve(ages, delays)
    naive = float((delays <= ages).mean())
    assert naive < 0.5
    assert learned.ever == pytest.approx(0.8, abs=0.05)
    for hours in (6.0, 24.0, 48.0):
        truth = 1 - np.exp(-hours / 24.0)
        assert abs(learned.expected(durations(hours)) - truth) < 0.08
        assert learned.expected(durations(hours)) <= truth + 0.03


def test_without_rows_that_wait_it_is_the_share_that_came() -> None:
    delays = np.random.default_rng(2).exponential(10.0, 5_000)
    learned = curve(np.full(5_000, 2_000.0), delays)
    assert learned.ever > 0.99  # the last few rows, fewer than 20, say nothing
    # A class of age that is not over is not counted, so it is the share at some age between 9 and 10 hours.
    found = learned.expected(durations(10.0))
    assert (delays <= 8.5).mean() <= found <= (delays <= 10.0).mean()


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500)), max_size=30), st.integers(0, 30))
def test_windows_count_together_what_they_count_alone(rows: list[tuple[float, float]], cut: int) -> None:
    ages, delays = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    assert curve(ages[:cut], delays[:cut]) + curve(ages[cut:], delays[cut:]) == curve(ages, delays)


def test_labels_before_their_prediction_came_at_once_and_later_ones_are_not_known() -> None:
    learned = DelayCurve.learn(times(np.array([5.0, 5.0])), times(np.array([9.0, -3.0])), START)
    assert learned.arrived[0] == 1
    assert learned.labels == 1
    assert sum(learned.waiting) == 1


def test_no_rows_and_no_labels_are_defined() -> None:
    nothing = DelayCurve()
    assert (nothing.ever, nothing.expected(durations(1.0)), nothing.knows(HOUR)) == (0.0, 0.0, False)
    never = curve(np.full(500, 100.0), np.full(500, np.inf))
    assert (never.ever, never.expected(durations(1_000.0))) == (0.0, 0.0)


def test_rows_that_wait_on_are_older_later() -> None:
    young = curve(np.full(50, 2.0), np.full(50, np.inf))
    assert young.aged(10 * DAY).waiting != young.waiting
    assert sum(young.aged(10 * DAY).waiting) == 50
    assert young.aged(timedelta(0)) == young


@pytest.mark.parametrize(
    ("coverage", "hours", "expected"), [(0.8, 25.0, True), (0.79, 25.0, False), (1.0, 23.0, False), (0.0, 99.0, False)]
)
def test_as_long_as_nothing_is_known_of_delays_all_labels_are_awaited(
    coverage: float, hours: float, *, expected: bool
) -> None:
    found = mature(coverage=coverage, ages=durations(hours), curve=DelayCurve(), labels_within=WITHIN)
    assert (found.mature, found.ever) == (expected, 1.0)


def test_rows_that_never_get_a_label_are_not_awaited_once_that_is_known() -> None:
    generator = np.random.default_rng(3)
    delays = np.where(generator.random(4_000) < 0.3, generator.uniform(0, 10, 4_000), np.inf)
    known = curve(np.full(4_000, 240.0), delays)
    young = curve(np.full(4_000, 30.0), delays)
    asked = {"coverage": 0.28, "ages": durations(30.0), "labels_within": WITHIN}
    assert mature(curve=known, **asked).mature  # type: ignore[arg-type]
    assert mature(curve=known, **asked).due == pytest.approx(0.3, abs=0.02)  # type: ignore[arg-type]
    # After one day nobody can tell "not yet" from "never".
    assert not mature(curve=young, **asked).mature  # type: ignore[arg-type]
    assert not mature(coverage=0.2, ages=durations(30.0), curve=known, labels_within=WITHIN).mature


def test_a_young_window_is_not_mature_however_many_labels_it_has() -> None:
    known = curve(np.full(4_000, 240.0), np.where(np.arange(4_000) % 2, 48.0, np.inf))
    assert not mature(coverage=0.5, ages=durations(24.0), curve=known, labels_within=WITHIN).mature
    assert mature(coverage=0.5, ages=durations(60.0), curve=known, labels_within=WITHIN).mature
