"""What live rows are compared with: its bytes, the calibrator, and how much days differ."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from detent.errors import DetentError, TamperedError
from detent.records.profile import Profile
from detent.statistics import reference as references
from detent.statistics.calibrator import isotonic
from detent.statistics.days import day_from_bytes, day_to_bytes, hour_of
from detent.statistics.dispersion import MOST, dispersion, dispersion_of_means
from detent.statistics.granules import cells_of, count, empty, profile
from detent.statistics.layout import OUTPUT, layout_of
from detent.statistics.reference import Calibrator, Loss, Quality, Reference, from_profile, hour_of_week
from detent.statistics.summaries import summarise

SIGNATURE = [("x", "number"), ("level", "string")]


def _rows(rows: int = 1_000) -> dict[str, list[Any]]:
    g = np.random.default_rng(0)
    levels = [None if level == "none" else level for level in g.choice(["a", "b", "none"], rows).tolist()]
    return {"x": g.normal(size=rows).tolist(), "level": levels, OUTPUT: g.random(rows).tolist()}


def _reference() -> Reference:
    columns = _rows()
    layout = layout_of(columns, SIGNATURE, breakpoints=(0.2, 0.4))
    return Reference(
        layout=layout,
        inputs=count(layout, columns),
        scores=count(layout, columns, columns[OUTPUT]),
        seasons=tuple(count(layout.coarse(), {"x": [float(hour)], "level": ["a"]}) for hour in range(168)),
        inflation=(("x", 6.3), (OUTPUT, 1.0)),
        importance=(("x", 0.8), ("level", 0.2)),
        calibrator=Calibrator(x=(0.2, 0.4), y=(0.1, 0.5), sd=(0.01, 0.02)),
        loss=Loss(mean=0.1, upper=0.12, bound=1.0),
        quality=(Quality(metric="roc_auc", value=0.7, low=0.65, high=0.75),),
        extra=(("residual", '{"trees": []}'),),
    )


def test_a_reference_comes_back_from_its_bytes_and_always_has_the_same() -> None:
    data = references.to_bytes(_reference())
    again = references.from_bytes(data)
    assert references.to_bytes(again) == data == references.to_bytes(_reference())
    assert (again.inflation_of("x"), again.inflation_of("level")) == (6.3, 1.0)
    assert (again.importance_of("x"), again.importance_of("y")) == (0.8, None)
    assert again.metric("roc_auc") == Quality(metric="roc_auc", value=0.7, low=0.65, high=0.75)
    assert again.metric("rmse") is None
    assert len(again.seasons) == 168
    assert again.seasons[5] == _reference().seasons[5]
    assert references.layout_from_bytes(data).digest == again.layout.digest == again.inputs.layout


@pytest.mark.parametrize("place", [0, 30, 2_000, -1])
def test_a_reference_with_one_other_byte_is_refused(place: int) -> None:
    data = bytearray(references.to_bytes(_reference()))
    data[place] ^= 1
    for read in (references.from_bytes, references.layout_from_bytes):
        with pytest.raises(TamperedError):
            read(bytes(data))


def test_a_profile_of_an_older_bundle_becomes_a_reference_with_the_same_counts() -> None:
    columns = _rows()
    before = summarise(columns, [*SIGNATURE, (OUTPUT, "number")])
    made = from_profile(before)
    for axis in made.layout.axes:
        known = before.column(axis.name)
        assert known is not None
        found = cells_of(made.layout, made.scores if axis.name == OUTPUT else made.inputs, axis.name)
        assert (tuple(found.bins), found.null) == (known.counts, known.nulls)
    live = count(made.layout, {"x": [0.0], "level": ["never seen"]}, [0.5])
    assert cells_of(made.layout, live, "level").novel == 0  # nobody wrote down which levels there were
    assert profile(made.layout, made.inputs).columns == before.columns[:-1]
    assert from_profile(Profile(rows=2, columns=())).layout.axes[0].name == OUTPUT


def test_the_calibrator_is_isotonic_regression() -> None:
    g = np.random.default_rng(1)
    score = np.round(g.random(3_000), 3)  # with ties
    y = (g.random(3_000) < score**1.5).astype(float)
    mine = isotonic(score, y)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(score, y)
    points = np.linspace(-0.2, 1.2, 1_001)
    assert np.abs(mine.apply(points) - theirs.predict(points)).max() < 1e-12
    assert list(mine.x) == sorted(set(mine.x))
    assert min(mine.sd) > 0


def test_a_calibrator_of_one_row_of_one_class_and_of_equal_scores_is_level() -> None:
    assert isotonic(np.array([0.3]), np.array([1.0])).apply(np.array([0.0, 0.9])).tolist() == [1.0, 1.0]
    assert isotonic(np.array([0.3, 0.5]), np.array([0.0, 0.0])).apply(np.array([0.4])).tolist() == [0.0]
    assert isotonic(np.array([0.3] * 4), np.array([0, 1, 1, 1])).apply(np.array([0.9])).tolist() == [0.75]
    with pytest.raises(DetentError, match="nothing to calibrate"):
        isotonic(np.array([]), np.array([]))


def _days(days: int, rows: int) -> np.ndarray:
    return np.repeat(np.arange(days), rows)


def test_days_of_independent_rows_differ_as_chance_makes_them() -> None:
    g = np.random.default_rng(2)
    found = [dispersion(g.integers(0, 20, 60 * 200), _days(60, 200), None) for _ in range(20)]
    assert np.mean(found) == pytest.approx(1.0, abs=0.05)
    assert max(found) < 1.15


@pytest.mark.parametrize("size", [2, 5, 10])
def test_rows_that_share_their_hours_weather_are_worth_as_many_hours(size: int) -> None:
    g = np.random.default_rng(size)
    hourly = g.integers(0, 20, 120 * 24)  # one value per hour, seen by `size` rows
    found = dispersion(np.repeat(hourly, size), np.repeat(np.repeat(np.arange(120), 24), size), None)
    assert found == pytest.approx(size, rel=0.2)


def test_a_weekly_rhythm_is_no_dispersion_once_hours_of_the_week_are_known() -> None:
    g = np.random.default_rng(3)
    days = _days(28, 240)
    hours = np.tile(np.repeat(np.arange(24), 10), 28) + 24 * (days % 7)
    weekend = (days % 7 >= 5).astype(int)
    found = []
    for _ in range(10):
        cells = g.integers(0, 10, len(days)) + 10 * (weekend & (g.random(len(days)) < 0.5))
        assert dispersion(cells, days, None) > 3
        found.append(dispersion(cells, days, hours))
    assert np.mean(found) == pytest.approx(1.03, abs=0.07)  # never below one


def test_the_weeks_rhythm_costs_degrees_of_freedom() -> None:
    g = np.random.default_rng(6)
    days = _days(28, 240)
    hours = np.tile(np.repeat(np.arange(24), 10), 28) + 24 * (days % 7)
    found = [dispersion(np.repeat(g.integers(0, 20, len(days) // 3), 3), days, hours) for _ in range(10)]
    assert np.mean(found) == pytest.approx(3.0, rel=0.1)  # three equal rows each


def test_dispersion_is_bounded_and_defined_for_few_days_and_constants() -> None:
    days = _days(10, 1_000)
    assert dispersion(days, days, None) == MOST
    assert dispersion(np.zeros(10_000, dtype=int), days, None) == 1.0
    assert dispersion(np.zeros(0, dtype=int), np.zeros(0, dtype=int), None) == 1.0
    assert dispersion(np.arange(3), np.arange(3), None) == 1.0
    assert dispersion_of_means(np.zeros(10), _days(10, 1)) == 1.0
    assert dispersion_of_means(np.repeat(np.arange(2.0), 5_000), days) == MOST


def test_how_days_are_numbered_does_not_matter() -> None:
    days = _days(30, 100)
    cells, far = np.random.default_rng(5).integers(0, 7, len(days)), 10**9 * days - 17
    assert dispersion(cells, far, None) == dispersion(cells, days, None)
    assert dispersion(cells, days, far) == dispersion(cells, days, days + 5)


def test_dispersion_of_means_of_independent_rows_is_about_one() -> None:
    g = np.random.default_rng(4)
    found = [dispersion_of_means(g.random(60 * 50), _days(60, 50)) for _ in range(20)]
    assert np.mean(found) == pytest.approx(1.05, abs=0.1)  # never below one


def test_hours_of_the_week_are_in_utc() -> None:
    monday = datetime(2013, 7, 1, tzinfo=UTC)
    assert [hour_of_week(monday + timedelta(hours=hours)) for hours in (0, 25, 167, 168)] == [0, 25, 167, 0]
    assert hour_of_week(datetime(2013, 7, 1, 1, tzinfo=timezone(timedelta(hours=2)))) == 167


def test_hours_are_whole_in_utc_whatever_the_zone_and_the_clock_change() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    assert hour_of(datetime(2013, 7, 1, 0, 10, tzinfo=india)) == datetime(2013, 6, 30, 18, tzinfo=UTC)
    paris = ZoneInfo("Europe/Paris")
    twice = [datetime(2013, 10, 27, 2, 30, tzinfo=paris, fold=fold) for fold in (0, 1)]
    assert [hour_of(moment).hour for moment in twice] == [0, 1]


def test_the_granules_of_a_day_come_back_by_hour_and_a_cut_file_is_refused() -> None:
    layout = layout_of(_rows(10), SIGNATURE)
    hours = {datetime(2013, 7, 1, hour, tzinfo=UTC): count(layout, _rows(hour + 1)) for hour in (0, 5, 23)}
    data = day_to_bytes(hours)
    assert day_from_bytes(data) == hours
    for cut in (0, 5, 14, 40, len(data) - 1):
        with pytest.raises(TamperedError):
            day_from_bytes(data[:cut])


def test_the_loss_of_a_value_is_its_error_in_units_of_the_bound() -> None:
    loss = Loss(mean=0.1, upper=0.2, bound=4.0, squared=False)
    assert loss.of(np.array([0.0, 10.0, 1.0]), np.array([2.0, 0.0, 1.0])).tolist() == [0.5, 1.0, 0.0]
    assert Loss(mean=0, upper=0, bound=1.0).of(np.array([1.0]), np.array([0.5])).tolist() == [0.25]


def test_an_empty_granule_has_no_rows() -> None:
    layout = layout_of(_rows(10), SIGNATURE)
    assert empty(layout).rows == 0
