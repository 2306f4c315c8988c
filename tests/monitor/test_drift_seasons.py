from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from detent.monitor.drift.detect import detect
from detent.monitor.drift.window import Seen, hours_of, whole_weeks
from detent.records.project import DriftPlan
from detent.statistics.granules import count
from detent.statistics.layout import layout_of
from detent.statistics.reference import HOURS, Reference

from .world import DAILY, DAY, MONDAY, PLAN

SIGNATURE = [("load", "number"), ("kind", "string")]


def rows(rng, hour, size):
    """Return rows of an hour of the week: nights are low, weekends high and of another kind."""
    weekend = hour >= 120
    load = rng.normal(np.sin((hour % 24) / 24 * 2 * np.pi) + 1.5 * weekend, 1, size)
    kind = rng.choice(["work", "home"], size, p=[0.2, 0.8] if weekend else [0.8, 0.2])
    return {"load": load, "kind": kind.tolist()}


def joined(parts):
    return {name: [value for part in parts for value in part[name]] for name in ("load", "kind")}


@pytest.fixture(scope="module")
def reference():
    rng = np.random.default_rng(1)
    hours = [rows(rng, hour, 60) for hour in range(HOURS)]
    everything = joined(hours)
    score = rng.random(HOURS * 60)
    layout = layout_of({**everything, "prediction": score}, SIGNATURE)
    coarse = layout.coarse()
    return Reference(
        layout=layout,
        inputs=count(layout, everything),
        scores=count(layout, everything, score),
        seasons=tuple(count(coarse, hour) for hour in hours),
    )


def day(reference, seed, number, *, shift=0.0, per_hour=25):
    rng = np.random.default_rng([seed, number])
    parts = [rows(rng, (number * 24 + hour) % HOURS, per_hour) for hour in range(24)]
    table = joined(parts)
    table["load"] = np.array(table["load"]) + shift
    start = MONDAY + number * DAY
    granule = count(reference.layout, table, rng.random(24 * per_hour))
    return Seen(start=start, end=start + DAY, granule=granule, hours=(per_hour,) * 24)


def alarms(reference, days, plan=PLAN):
    return [bool(detect(reference, days[max(0, n - 27) : n + 1], budget=DAILY, plan=plan)) for n in range(len(days))]


def test_weekends_are_no_drift_where_the_reference_knows_weekends(reference):
    days = [day(reference, 2, number) for number in range(14)]
    assert alarms(reference, days) == [False] * 14


def test_without_seasons_every_day_would_alarm(reference):
    days = [day(reference, 2, number) for number in range(7)]
    assert sum(alarms(reference, days, DriftPlan(seasonal="off"))) >= 6
    assert sum(alarms(replace(reference, seasons=()), days)) >= 6


def test_a_shift_within_its_season_is_found(reference):
    (found,) = detect(reference, [day(reference, 3, 5, shift=0.5)], budget=DAILY, plan=PLAN)
    assert (found.column, found.severity) == ("load", "WARNING")


def test_a_window_of_part_of_the_day_is_compared_with_that_part(reference):
    rng = np.random.default_rng(4)
    night = joined([rows(rng, hour, 60) for hour in range(18, 24)])
    granule = count(reference.layout, night, rng.random(360))
    start = MONDAY + timedelta(hours=18)
    window = Seen(start=start, end=start + timedelta(hours=6), granule=granule)
    assert detect(reference, [window], budget=DAILY, plan=PLAN) == []
    assert detect(reference, [window], budget=DAILY, plan=DriftPlan(seasonal="off")) != []


def test_traffic_that_comes_at_other_hours_is_weighed_by_its_hours(reference):
    rng = np.random.default_rng(5)
    sizes = [5] * 12 + [60] * 12
    table = joined([rows(rng, hour, size) for hour, size in enumerate(sizes)])
    granule = count(reference.layout, table, rng.random(sum(sizes)))
    window = Seen(start=MONDAY, end=MONDAY + DAY, granule=granule, hours=tuple(sizes))
    assert detect(reference, [window], budget=DAILY, plan=PLAN) == []
    assert detect(reference, [replace(window, hours=())], budget=DAILY, plan=PLAN) != []


def test_hours_that_the_reference_never_saw_are_compared_with_all_hours(reference):
    empty = count(reference.layout.coarse(), {"load": [], "kind": []})
    half = replace(reference, seasons=(*(empty,) * 24, *reference.seasons[24:]))
    (found, *_) = detect(half, [day(half, 6, 0, shift=3.0)], budget=DAILY, plan=PLAN)
    assert found.column == "load"


def test_scores_without_seasons_are_looked_at_in_whole_weeks(reference):
    days = [day(reference, 7, number) for number in range(7)]
    moved = [replace(one, granule=replace(one.granule, cells=_scores_up(reference, one.granule))) for one in days]
    found = [[f.column for f in detect(reference, moved[: n + 1], budget=DAILY, plan=PLAN)] for n in range(7)]
    assert found == [[]] * 6 + [["prediction"]]


def _scores_up(reference, granule):
    """Move all scores into the upper half."""
    place, cells = reference.layout.place("prediction"), granule.cells.copy()
    bins = reference.layout.axes[-1].bins
    upper = cells[place][bins // 2 : bins].copy()
    cells[place.start : place.start + bins // 2] = 0
    cells[place.start + bins // 2 : place.start + bins] = upper * 2
    return cells


def test_hours_and_weeks_are_counted_in_utc():
    window = Seen(start=MONDAY - timedelta(hours=1), end=MONDAY + timedelta(hours=1), granule=None)  # pyright: ignore
    assert hours_of(window) == (167, 0)
    assert not whole_weeks([window])
    assert whole_weeks([replace(window, start=MONDAY, end=MONDAY + DAY)] * 7)
